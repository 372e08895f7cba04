/**
 * A real PostgreSQL for tests: the one of `TEST_DATABASE_URL`, else a throwaway one.
 *
 * `deno task test` starts one and hands it on in PENSTOCK_TEST_DATABASE_URL. A test file run by
 * hand starts its own, which ends with the process that runs the file.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import postgres from "postgres";

const START_LIMIT_MS = 120_000; // a cold cache downloads 46 MB first

export interface TestPostgres {
  /** A superuser's URL of the database `postgres`. */
  readonly url: string;
  /** Disconnects everyone and removes the data. */
  stop(): Promise<void>;
  /** Disconnects everyone and comes back at the same URL. Not with `TEST_DATABASE_URL`. */
  restart?(): Promise<void>;
  /** Accepts bytes and answers nothing until `resume()`. Not with `TEST_DATABASE_URL`. */
  pause?(): Promise<void>;
  resume?(): Promise<void>;
  /** Ends at once, as a crash would have it; `start` recovers it. Not with `TEST_DATABASE_URL`. */
  crash?(): Promise<void>;
  start?(): Promise<void>;
  /** Restarts it with a standby that follows it: its URL. Not with `TEST_DATABASE_URL`. */
  addStandby?(): Promise<string>;
}

export interface TestDatabase {
  readonly url: string;
  /** Disconnects whoever is still connected, and drops it. */
  drop(): Promise<void>;
}

/** Uses `TEST_DATABASE_URL`, else starts a PostgreSQL of this process's own. */
export function startPostgres(): Promise<TestPostgres> {
  const given = process.env.TEST_DATABASE_URL;
  if (given !== undefined && given !== "") {
    return Promise.resolve({ url: given, stop: () => Promise.resolve() });
  }
  return startOwnPostgres();
}

/**
 * Starts a PostgreSQL of this process's own, for tests that pause or restart it.
 * @param environment more variables for its processes
 */
export async function startOwnPostgres(
  environment: Readonly<Record<string, string>> = {},
): Promise<Required<TestPostgres>> {
  const script = join(import.meta.dirname ?? ".", "postgres_process.ts");
  const lock = join(import.meta.dirname ?? ".", "../tools.lock");
  const child = spawn(
    process.execPath,
    ["run", "-A", "--quiet", "--node-modules-dir=none", `--lock=${lock}`, script],
    { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } },
  );
  let said = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    said = (said + new TextDecoder().decode(chunk)).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  const answer = async (): Promise<{ url?: string; error?: string }> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the test PostgreSQL did not start: ${said}`);
    return JSON.parse(value) as { url?: string; error?: string };
  };
  // It ends when this process does, and must not keep it from ending; its pipes are sockets.
  const holders = [child, ...[child.stdin, child.stdout, child.stderr] as unknown as Socket[]];
  const command = async (name: string): Promise<string | undefined> => {
    for (const holder of holders) holder.ref();
    child.stdin.write(name + "\n");
    const { error, url } = await answer();
    for (const holder of holders) holder.unref();
    if (error !== undefined) throw new Error(`PostgreSQL ${name}: ${error}`);
    return url;
  };
  const told = (name: string) => () => command(name).then(() => {});

  const limit = setTimeout(() => child.kill("SIGKILL"), START_LIMIT_MS);
  const { url } = await answer().finally(() => clearTimeout(limit));
  if (url === undefined) throw new Error("the test PostgreSQL gave no URL");
  for (const holder of holders) holder.unref();
  return {
    url,
    restart: told("restart"),
    pause: told("pause"),
    resume: told("resume"),
    crash: told("crash"),
    start: told("start"),
    addStandby: async () => (await command("standby"))!,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      for (const holder of holders) holder.ref();
      const exited = once(child, "exit");
      child.stdin.end();
      await exited;
    },
  };
}

let shared: Promise<TestPostgres> | undefined;

/** The server for tests to create databases in, started at the first call if nobody gave one. */
export async function testDatabaseUrl(): Promise<string> {
  const given = process.env.PENSTOCK_TEST_DATABASE_URL;
  if (given !== undefined && given !== "") return given;
  shared ??= startPostgres();
  return (await shared).url;
}

/** Creates an empty database for one test, in the shared server or the one given. */
export async function freshDatabase(server?: string): Promise<TestDatabase> {
  const admin = server ?? await testDatabaseUrl();
  const name = `penstock_test_${randomBytes(8).toString("hex")}`;
  // template0: nobody is ever connected to it, which is what CREATE DATABASE insists on.
  await administer(admin, `create database ${name} template template0`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => administer(admin, `drop database if exists ${name} with (force)`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}
