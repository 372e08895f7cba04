/**
 * Every server of a run: started when it is first asked for, stopped with SIGSTOP while another
 * one is measured. Stopping rather than ending: a server starts in half a second to three, and
 * five interleaved rounds would start each of them five times a scenario.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import postgres from "postgres";
import {
  freshDatabase,
  startOwnPostgres,
  startPostgres,
  type TestPostgres,
} from "../../tests/support/postgres.ts";
import { bunExecutable, type Runtime, startServer } from "../../tests/support/server.ts";
import { type Child, killChild, signal, startChild } from "./children.ts";
import { officialServer } from "./official.ts";
import { parentOf } from "./proc.ts";
import { startRust } from "./rust.ts";
import { LeftOut, type Subject, type SubjectId } from "./subjects.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const STOP_LIMIT_MS = 5000;
const BINARY = join(ROOT, "dist/penstock");

interface Member {
  readonly subject: Subject;
  end(): Promise<void>;
}

export interface Storage {
  readonly database: { url: string } | { dataDir: string };
  remove(): Promise<void>;
}

/** `logical`: a database of a PostgreSQL whose log can be decoded. */
export type StorageKind = "postgres" | "logical" | "embedded";

export class Fleet {
  readonly #members = new Map<SubjectId, Member>();
  readonly #extras = new Set<Member>();
  readonly #storages = new Set<Storage>();
  readonly #starting = new Set<Promise<Member>>();
  readonly #givenUrl: string | undefined;
  #ended = false;
  #postgres: Promise<TestPostgres> | undefined;
  #logical: Promise<TestPostgres> | undefined;
  #postmaster: Promise<number | undefined> | undefined;
  #binary: Promise<void> | undefined;

  constructor(options: { givenUrl?: string } = {}) {
    this.#givenUrl = options.givenUrl;
  }

  /** Brings it up, wakes it and stops all others. */
  async alone(id: SubjectId): Promise<Subject> {
    this.quiet();
    const member = this.#members.get(id) ?? await this.#started(id);
    this.#members.set(id, member);
    const { subject } = member;
    if (subject.pid !== undefined) signal(subject.pid, "SIGCONT");
    return subject;
  }

  /** A further server of the same kind, alone too; `use` is given it and it ends afterwards. */
  async withFresh<T>(
    id: SubjectId,
    use: (subject: Subject) => Promise<T>,
    storage?: Storage,
  ): Promise<T> {
    this.quiet();
    const member = await this.#started(id, storage);
    this.#extras.add(member);
    try {
      return await use(member.subject);
    } finally {
      this.#extras.delete(member);
      await member.end();
    }
  }

  /** A second node on the database of one that is up; both run while `use` does. */
  beside<T>(subject: Subject, use: (other: Subject) => Promise<T>): Promise<T> {
    const { id, pid, databaseUrl } = subject;
    if (databaseUrl === undefined) throw new Error(`${id} has no database to share`);
    return this.withFresh(id, (other) => {
      if (pid !== undefined) signal(pid, "SIGCONT");
      return use(other);
    }, { database: { url: databaseUrl }, remove: () => Promise.resolve() });
  }

  /** Stops all there is, for what starts processes of its own. */
  quiet(): void {
    for (const { subject } of this.#members.values()) {
      if (subject.pid !== undefined) signal(subject.pid, "SIGSTOP");
    }
  }

  postgres(): Promise<TestPostgres> {
    this.#postgres ??= startPostgres();
    return this.#postgres;
  }

  /** A second one, with `wal_level = logical`; throws `LeftOut` where it does not start. */
  logicalPostgres(): Promise<TestPostgres> {
    this.#logical ??= startOwnPostgres().then(async (server) => {
      const sql = postgres(server.url, { max: 1 });
      await sql`alter system set wal_level = logical`;
      await sql.end();
      await server.restart();
      return server;
    }).catch((error) => {
      throw new LeftOut(`no PostgreSQL with wal_level = logical: ${String(error)}`);
    });
    return this.#logical;
  }

  /** PostgreSQL's first process, parent of all its backends; undefined when it is elsewhere. */
  postmaster(): Promise<number | undefined> {
    this.#postmaster ??= this.postgres().then(({ url }) => postmasterOf(url));
    return this.#postmaster;
  }

  /** A new, empty one; gone with the fleet unless it is removed before. */
  async storage(kind: StorageKind): Promise<Storage> {
    const made = await this.#newStorage(kind);
    const storage: Storage = {
      database: made.database,
      remove: () => {
        this.#storages.delete(storage);
        return made.remove();
      },
    };
    this.#storages.add(storage);
    return storage;
  }

  async #newStorage(kind: StorageKind): Promise<Storage> {
    if (kind === "embedded") {
      const folder = mkdtempSync(join(tmpdir(), "penstock-bench-"));
      const remove = () => Promise.resolve(rmSync(folder, { recursive: true, force: true }));
      return { database: { dataDir: join(folder, "data") }, remove };
    }
    const server = kind === "logical" ? this.logicalPostgres() : this.postgres();
    const database = await freshDatabase((await server).url);
    return { database: { url: database.url }, remove: () => database.drop() };
  }

  /** Compiled where it is missing; the same for all who wait. */
  binary(): Promise<void> {
    this.#binary ??= existsSync(BINARY)
      ? Promise.resolve()
      : promisify(execFile)(process.execPath, ["task", "compile"], { cwd: ROOT }).then(() => {});
    return this.#binary;
  }

  async end(): Promise<void> {
    this.#ended = true;
    // One that is on its way up when a run is interrupted would be left behind.
    const late = await Promise.allSettled(this.#starting);
    const risen = late.flatMap((start) => start.status === "fulfilled" ? [start.value] : []);
    const all = new Set([...risen, ...this.#members.values(), ...this.#extras]);
    await Promise.allSettled([...all].map((member) => member.end()));
    this.#members.clear();
    await Promise.allSettled([...this.#storages].map((storage) => storage.remove()));
    for (const server of [this.#postgres, this.#logical]) {
      await (await server?.catch(() => undefined))?.stop();
    }
  }

  async #started(id: SubjectId, storage?: Storage): Promise<Member> {
    if (this.#ended) throw new Error("the run is over");
    const starting = this.#start(id, storage);
    this.#starting.add(starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async #start(id: SubjectId, storage?: Storage): Promise<Member> {
    switch (id) {
      case "given":
        if (this.#givenUrl === undefined) throw new Error("no --url");
        return memberOf({ id, url: this.#givenUrl, onPostgres: false });
      case "postgres": {
        const { url } = await this.postgres();
        return memberOf({ id, url: "", databaseUrl: url, onPostgres: true });
      }
      case "empty-deno":
        return await this.#startChild(id, [process.execPath, "run", "-A", "--no-lock"]);
      case "empty-bun":
        return await this.#startChild(id, [await bunExecutable()]);
      case "official-file":
      case "official-memory":
        return await startPeer(id, async (folder) => {
          const { command, args, cwd } = await officialServer(
            id === "official-file" ? folder : undefined,
          );
          return await startChild([command, ...args], { cwd });
        });
      case "rust":
        return await startPeer(id, startRust);
      default:
        return await this.#startPenstock(id, storage);
    }
  }

  async #startChild(id: SubjectId, command: [string, ...string[]]): Promise<Member> {
    const script = join(import.meta.dirname ?? ".", "empty_process.ts");
    const child = await startChild([...command, script], { cwd: ROOT });
    const { pid, url } = child;
    return { subject: { id, url, pid, onPostgres: false }, end: () => killChild(child.process) };
  }

  async #startPenstock(id: SubjectId, given?: Storage): Promise<Member> {
    const [kindOfServer, workers] = id.split(", ") as [string, string | undefined];
    const [runtime, kind] = kindOfServer.split("+") as [Runtime, "postgres" | "embedded"];
    if (runtime === "binary") await this.binary();
    const storage = given ?? await this.storage(kind);
    const { database } = storage;
    const args = ["--log-level", "info"];
    if (workers !== undefined) args.push("--workers", workers.split(" ", 1)[0]!);
    const server = await startServer({ runtime, database, args }).catch(async (error) => {
      if (given === undefined) await storage.remove();
      throw error;
    });
    const { pid } = server.process;
    if (pid === undefined) throw new Error(`${id} has no process`);
    const subject: Subject = {
      ...{ id, url: server.url, onPostgres: kind === "postgres" },
      // Of several workers it is their supervisor: neither paused nor timed would it stand for them.
      ...workers === undefined ? { pid } : {},
      ..."url" in database ? { databaseUrl: database.url } : {},
    };
    const end = async () => {
      signal(pid, "SIGCONT");
      const limit = setTimeout(() => signal(pid, "SIGKILL"), STOP_LIMIT_MS);
      await server.stop();
      clearTimeout(limit);
      if (given === undefined) await storage.remove();
    };
    return { subject, end };
  }
}

/** The first process of the PostgreSQL at a URL; undefined when it is elsewhere. */
export async function postmasterOf(url: string): Promise<number | undefined> {
  const sql = postgres(url, { max: 1 });
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() pid`;
  const parent = row === undefined ? undefined : parentOf(row.pid);
  await sql.end();
  return parent;
}

function memberOf(subject: Subject): Member {
  return { subject, end: () => Promise.resolve() };
}

/** Another project's server, with a folder of its own for the time it runs. */
async function startPeer(
  id: "official-file" | "official-memory" | "rust",
  start: (folder: string) => Promise<Child>,
): Promise<Member> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-bench-peer-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const child = await start(folder);
    const { pid, url } = child;
    const subject: Subject = { id, url, pid, onPostgres: false };
    return { subject, end: () => killChild(child.process).then(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}
