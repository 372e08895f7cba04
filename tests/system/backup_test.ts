/**
 * The backups of docs/operations.md, taken while a producer writes and restored: what was answered
 * before the moment is there, the producer goes on exactly once, and readers that are ahead notice.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { account } from "../support/postgres_process.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { eventually, freePort } from "./support.ts";

const run = promisify(execFile);
const MARK = "select * from penstock.mark_restored()";

/** A server of PostgreSQL and its own tools of the same version, as a distribution installs them. */
function findTools(): string | null {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return null;
  return readdirSync(root).map((version) => join(root, version, "bin"))
    .filter((bin) =>
      ["initdb", "postgres", "pg_basebackup", "pg_dump", "pg_restore"]
        .every((name) => existsSync(join(bin, name)))
    ).at(-1) ?? null;
}

const bin = findTools();

class Cluster {
  readonly data: string;
  readonly port: number;
  #server: ChildProcess | undefined;

  constructor(data: string, port: number) {
    [this.data, this.port] = [data, port];
  }

  url(database = "postgres"): string {
    return `postgres://penstock@127.0.0.1:${this.port}/${database}`;
  }

  async start(): Promise<void> {
    const flags = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
    const owner = { ...account(), cwd: this.data };
    const server = spawn(
      join(bin!, "postgres"),
      ["-D", this.data, "-p", `${this.port}`, ...flags],
      {
        ...owner,
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    this.#server = server;
    let said = "";
    server.stderr!.on("data", (chunk: Uint8Array) => {
      said += new TextDecoder().decode(chunk);
    });
    // Not by asking it: while it recovers, it takes connections that it then refuses.
    await eventually(30_000, "a PostgreSQL that takes writes", () => {
      if (server.exitCode !== null) throw new Error(said);
      return /ready to accept connections/.test(said) || undefined;
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGINT");
    await ended;
  }

  async sql(statement: string, database = "postgres"): Promise<postgres.RowList<postgres.Row[]>> {
    const sql = postgres(this.url(database), { max: 1, onnotice: () => {} });
    try {
      return await sql.unsafe(statement);
    } finally {
      await sql.end();
    }
  }
}

function folderFor(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder, { mode: 0o700 });
  const { uid, gid } = account();
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
  return folder;
}

async function newCluster(parent: string, archive: string): Promise<Cluster> {
  const data = folderFor(parent, "data");
  await run(join(bin!, "initdb"), ["-D", data, "-U", "penstock", "--auth=trust", "--no-sync"], {
    ...account(),
    cwd: data,
  });
  appendFileSync(
    join(data, "postgresql.conf"),
    `archive_mode = on\narchive_command = 'cp %p ${archive}/%f'\n`,
  );
  const cluster = new Cluster(data, await freePort());
  await cluster.start();
  return cluster;
}

/** One producer, whose message `n` is the number n. */
class Writer {
  answered = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(readonly url: string) {
    this.#running = this.#write();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      assert.equal((await send(this.url, this.answered)).status, 200);
      this.answered++;
    }
  }
}

async function send(url: string, seq: number) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "producer-id": "writer",
      "producer-epoch": "0",
      "producer-seq": String(seq),
    },
    body: `[${seq}]`,
  });
  await response.body?.cancel();
  return { status: response.status, offset: response.headers.get("stream-next-offset") };
}

async function create(url: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "PUT", headers });
  assert.equal(response.status, 201, await response.text());
}

async function readAll(url: string): Promise<number[]> {
  const response = await fetch(url);
  assert.equal(response.headers.get("stream-up-to-date"), "true");
  return await response.json() as number[];
}

interface Lost {
  /** Messages answered before the moment of the backup. */
  readonly answered: number;
  /** Where a reader of all that was ever written is. */
  readonly ahead: string;
  /** An offset of a stream `late` that was made after the moment. */
  readonly late: string;
}

async function checkRestored(restored: RunningServer, { answered, ahead, late }: Lost) {
  const url = `${restored.url}/v1/stream/log`;
  const kept = await readAll(url);
  assert(kept.length >= answered, `${kept.length} of ${answered} that were answered are there`);
  assert.deepEqual(kept, [...kept.keys()]);
  const end = (await fetch(url, { method: "HEAD" })).headers.get("stream-next-offset")!;
  const reader = await fetch(`${url}?offset=${ahead}&live=long-poll`);
  const { error } = await reader.json() as { error: { code: string } };
  assert.deepEqual([reader.status, error.code], [410, "OFFSET_OF_ANOTHER_STREAM"]);

  assert.equal((await send(url, kept.length - 1)).status, 204);
  for (let seq = kept.length; seq < kept.length + 5; seq++) {
    assert.equal((await send(url, seq)).status, 200);
  }
  assert.deepEqual(await readAll(url), [...Array(kept.length + 5).keys()]);

  // A reader that was at the restored end goes on; one that was beyond it is told, once others have
  // written past its position too.
  const tail = (await fetch(url, { method: "HEAD" })).headers.get("stream-next-offset")!;
  assert.equal((await fetch(`${url}?offset=${tail}`)).status, 200);
  const next = await fetch(`${url}?offset=${end}`);
  assert.deepEqual(await next.json(), [...Array(5).keys()].map((at) => kept.length + at));
  let seq = kept.length + 5;
  for (let at = tail; at.slice(0, 16) <= ahead.slice(0, 16); seq++) {
    at = (await send(url, seq)).offset!;
  }
  for (const mode of ["", "&live=long-poll", "&live=sse"]) {
    const passed = await fetch(`${url}?offset=${ahead}${mode}`);
    const { error } = await passed.json() as { error: { code: string } };
    assert.deepEqual([passed.status, error.code], [410, "OFFSET_OF_ANOTHER_STREAM"]);
  }
  assert.deepEqual(await readAll(url), [...Array(seq).keys()]);

  const lateUrl = `${restored.url}/v1/stream/late`;
  await create(lateUrl);
  await send(lateUrl, 0);
  await send(lateUrl, 1);
  const old = await fetch(`${lateUrl}?offset=${late}`);
  assert.equal(old.status, 410, await old.text());
}

/** Writes while `backUp` runs and a while longer, and then ends the node that has written. */
async function writeThrough(cluster: Cluster, backUp: () => Promise<void>): Promise<Lost> {
  await cluster.sql("create database streams");
  const server = await startServer({ database: { url: cluster.url("streams") } });
  try {
    const url = `${server.url}/v1/stream/log`;
    await create(url);
    const writer = new Writer(url);
    await eventually(20_000, "some messages", () => writer.answered >= 50 || undefined);
    const answered = writer.answered;
    await backUp();
    const then = writer.answered;
    await eventually(20_000, "more messages", () => writer.answered >= then + 50 || undefined);
    await create(`${server.url}/v1/stream/late`);
    const late = (await send(`${server.url}/v1/stream/late`, 0)).offset!;
    await writer.stop();
    const ahead = (await fetch(url, { method: "HEAD" })).headers.get("stream-next-offset")!;
    return { answered, ahead, late };
  } finally {
    await server.stop();
  }
}

async function withFolder(work: (folder: string, archive: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-backup-"));
  chmodSync(folder, 0o755);
  try {
    await work(folder, folderFor(folder, "archive"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

Deno.test({
  name: "pg_dump while a producer writes, and pg_restore, lose nothing that was answered before",
  ignore: bin === null,
  fn: () =>
    withFolder(async (folder, archive) => {
      const cluster = await newCluster(folder, archive);
      const file = join(folder, "streams.dump");
      try {
        const lost = await writeThrough(cluster, async () => {
          const options = ["--format=custom", "--schema=penstock", `--file=${file}`];
          await run(join(bin!, "pg_dump"), [...options, cluster.url("streams")]);
        });
        await cluster.sql("create database restored");
        await run(join(bin!, "pg_restore"), [
          ...["--exit-on-error", `--dbname=${cluster.url("restored")}`, file],
        ]);
        await cluster.sql(MARK, "restored");
        const restored = await startServer({ database: { url: cluster.url("restored") } });
        try {
          await checkRestored(restored, lost);
        } finally {
          await restored.stop();
        }
      } finally {
        await cluster.stop();
      }
    }),
});

Deno.test({
  name: "point-in-time recovery brings back all that was answered before the moment",
  ignore: bin === null,
  fn: () =>
    withFolder(async (folder, archive) => {
      const cluster = await newCluster(folder, archive);
      const base = folderFor(folder, "base");
      let answeredAtMoment = 0;
      const recovered = new Cluster(base, await freePort());
      try {
        const lost = await writeThrough(cluster, async () => {
          const options = ["--wal-method=none", "--checkpoint=fast", `--pgdata=${base}`];
          await run(join(bin!, "pg_basebackup"), [
            ...[...options, `--dbname=${cluster.url()}`, "--no-sync"],
          ], { ...account(), cwd: base });
          answeredAtMoment = (await readCount(cluster)) ?? 0;
          await cluster.sql("select pg_create_restore_point('moment')");
        });
        // A server that is stopped has archived all of its WAL.
        await cluster.sql("select pg_switch_wal()");
        await cluster.stop();
        appendFileSync(
          join(base, "postgresql.conf"),
          `restore_command = 'cp ${archive}/%f %p'\nrecovery_target_name = 'moment'\n` +
            "recovery_target_action = promote\narchive_mode = off\n",
        );
        writeFileSync(join(base, "recovery.signal"), "");
        await recovered.start();
        await recovered.sql(MARK, "streams");
        const restored = await startServer({ database: { url: recovered.url("streams") } });
        try {
          await checkRestored(restored, { ...lost, answered: answeredAtMoment });
        } finally {
          await restored.stop();
        }
      } finally {
        await cluster.stop();
        await recovered.stop();
      }
    }),
});

/** How many messages producers had answered, at least, by the rows that are committed. */
async function readCount(cluster: Cluster): Promise<number> {
  const [row] = await cluster.sql(
    "select max(last_seq)::integer + 1 as count from penstock.producers",
    "streams",
  );
  return row!.count as number;
}
