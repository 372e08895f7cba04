/** The embedded PostgreSQL (PGlite) as a `Database`, for a node without a database URL. */
import { resolve } from "node:path";
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { settlesWithin } from "../../lib/timeout.ts";
import { drizzleOver, type Run, unwrapped } from "../drizzle.ts";
import { lockDataDir } from "./data_dir_lock.ts";
import {
  type Database,
  DatabaseExhausted,
  DatabaseUnavailable,
  type Drizzle,
  OUT_OF_MEMORY,
  type Parameter,
  type ScannedRow,
  type Snapshot,
} from "../database.ts";
import { Engine } from "./engine.ts";
import { prepareCluster } from "./cluster.ts";
import { Maintenance } from "./maintenance.ts";
import { unpackCluster } from "./prepared_cluster.ts";
import { StatementError } from "./replies.ts";
import type { Column } from "./wire_types.ts";
import type { FileLock } from "./file_lock.ts";

export interface PgliteOptions {
  /** The folder of the lock, and of the cluster in `postgres/`. It is made if missing. */
  readonly dataDir: string;
  /**
   * How long a statement may wait until it can run, milliseconds. Once it runs it cannot be
   * interrupted, because it runs on this thread.
   */
  readonly timeoutMs?: number;
  /** Receives the events of a server that stopped and was started again. */
  readonly report?: (event: TelemetryEvent) => void;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** How long to wait after a failed start of the server before the next. Milliseconds. */
const RESTART_PAUSE_MS = 1_000;

/**
 * SQLSTATEs of conditions that may pass: resources exhausted, operator intervention, I/O errors.
 */
const UNAVAILABLE = /^(53|57P|58)/;

/**
 * Opens the database in a folder. The first run makes it, and a run after a crash replays the WAL.
 *
 * @throws DataDirBusy when another process has the folder.
 */
export async function openPglite(options: PgliteOptions): Promise<Database> {
  const dataDir = resolve(options.dataDir);
  const lock = await lockDataDir(dataDir);
  try {
    const report = options.report ?? (() => {});
    const cluster = await prepareCluster(dataDir, (folder) => {
      report({ event: "database_creating", dataDir });
      return unpackCluster(folder);
    });
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const engine = await Engine.open(cluster);
    return new EmbeddedDatabase(engine, { dataDir, cluster, lock, timeoutMs, report });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Place {
  readonly dataDir: string;
  readonly cluster: string;
  readonly lock: FileLock;
  readonly timeoutMs: number;
  readonly report: (event: TelemetryEvent) => void;
}

class EmbeddedDatabase implements Database {
  readonly kind = "embedded";
  readonly concurrency = 1;
  readonly listens = false;
  readonly description: string;
  readonly #drizzle: Drizzle;
  #engine: Engine;
  #place: Place;
  #maintenance: Maintenance;
  /** A transaction, a restart or a close in progress; settles when statements may run again. */
  #busy: Promise<unknown> | undefined;
  #restartAt = 0;
  /** The failure that was last reported. */
  #reported: unknown;
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, place: Place) {
    this.#engine = engine;
    this.#place = place;
    const [row] = this.#run("select current_setting('server_version')", []).rows;
    const version = String(row?.[0]).split(" ")[0];
    this.description = `embedded PostgreSQL ${version} in ${place.dataDir}`;
    this.#maintenance = new Maintenance(async (work) => {
      while (!this.#idle()) await this.#turn();
      work(this.#engine);
    });
    void this.#maintenance.start();
    this.#drizzle = drizzleOver(async (...given) => {
      while (!this.#idle()) await this.#turn();
      return this.#runBuilt(given, { keep: true });
    });
  }

  async query<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    while (!this.#idle()) await this.#turn();
    const { rows, columns } = this.#run(statement, parameters, { keep: true });
    return rows.map((row) => asObject(row, columns)) as Row[];
  }

  /** The same as `query`: there is no connection that could be half-open. */
  hedged<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.query(statement, parameters);
  }

  scan(query: string, parameters: readonly number[]): Promise<ScannedRow[]> {
    return this.query<ScannedRow>(query, parameters);
  }

  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T> {
    return unwrapped(build(this.#drizzle));
  }

  async transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T> {
    while (!this.#idle()) await this.#turn();
    return await this.#occupy(async () => {
      const engine = this.#engine;
      this.#run("begin", []);
      try {
        // Statements are not kept prepared, because migrations run in transactions like this one.
        const drizzle = drizzleOver((...given) =>
          Promise.try(() => this.#runBuilt(given, { keep: false }))
        );
        const result = await unwrapped(work(drizzle));
        if (this.#run("commit", []).command !== "COMMIT") {
          throw new Error("the transaction had failed and was rolled back");
        }
        return result;
      } catch (error) {
        if (engine.failure === undefined) this.#run("rollback", []);
        throw error;
      }
    });
  }

  async snapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    while (!this.#idle()) await this.#turn();
    return await this.#occupy(async () => {
      this.#run("set timezone = 'UTC'", []);
      return await work({
        query: (statement, parameters = []) =>
          Promise.try(() => {
            const { rows, columns } = this.#run(statement, parameters, { keep: true });
            return rows.map((row) => asObject(row, columns)) as never[];
          }),
      });
    });
  }

  async execute(script: string): Promise<void> {
    while (!this.#idle()) await this.#turn();
    this.#guarded(() => {
      this.#engine.script(script);
      this.#engine.invalidatePrepared();
    });
  }

  /** Never called: a data folder has one node, and notifications are for other nodes. */
  listen(): Promise<never> {
    return Promise.reject(new Error("the embedded database has one node and does not listen"));
  }

  /** Does nothing: no other server is ever promoted in the place of an embedded one. */
  onNewTimeline(): void {}

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#maintenance.stop();
    while (this.#busy !== undefined) await this.#busy.catch(() => {});
    try {
      await this.#engine.close();
    } finally {
      this.#place.lock.release();
    }
  }

  #idle(): boolean {
    return this.#busy === undefined && this.#engine.failure === undefined &&
      this.#closing === undefined;
  }

  /**
   * Waits until a statement may run, and restarts a server that has stopped. Another caller may
   * occupy the database before this one continues, so callers wait in a loop.
   * @throws DatabaseUnavailable when the database is closed, or stays occupied for too long
   */
  async #turn(): Promise<void> {
    const { timeoutMs } = this.#place;
    const deadline = performance.now() + timeoutMs;
    while (!this.#idle()) {
      if (this.#closing !== undefined) throw new DatabaseUnavailable("the database is closed");
      if (this.#busy === undefined) this.#restart();
      const left = deadline - performance.now();
      if (left <= 0 || !await settlesWithin(this.#busy!, left)) {
        throw new DatabaseUnavailable(`no turn within ${timeoutMs} ms`);
      }
    }
  }

  /**
   * Makes all other statements wait for `work`. It may be called only while the database is idle.
   */
  #occupy<T>(work: () => Promise<T>): Promise<T> {
    const done = work().finally(() => this.#busy = undefined);
    this.#busy = done;
    return done;
  }

  /** A server that has panicked recovers by a restart, as one that was killed does. */
  #restart(): void {
    if (performance.now() < this.#restartAt) {
      throw new DatabaseUnavailable("the embedded database could not be started again", {
        cause: this.#engine.failure,
      });
    }
    this.#occupy(async () => {
      this.#restartAt = performance.now() + RESTART_PAUSE_MS;
      const { report, cluster } = this.#place;
      const { failure } = this.#engine;
      if (failure !== this.#reported) report({ event: "embedded_stopped", error: failure });
      this.#reported = failure;
      await this.#engine.close();
      this.#engine = await Engine.open(cluster);
      report({ event: "embedded_restarted" });
    }).catch(() => {});
  }

  #run(
    statement: string,
    parameters: readonly Parameter[],
    { keep } = { keep: false },
  ): Result {
    return this.#guarded(() => {
      const { reply, columns } = this.#engine.run(statement, parameters, { keep });
      return { rows: reply.rows, columns, command: reply.command };
    });
  }

  #guarded<T>(work: () => T): T {
    try {
      const result = work();
      this.#maintenance?.afterStatement(this.#engine);
      return result;
    } catch (error) {
      if (error instanceof StatementError && UNAVAILABLE.test(error.code)) {
        const Unavailable = error.code === OUT_OF_MEMORY ? DatabaseExhausted : DatabaseUnavailable;
        throw new Unavailable(`${error.code}: ${error.message}`, { cause: error });
      }
      throw error;
    }
  }

  /** Runs a statement that drizzle has built. */
  #runBuilt(
    [statement, parameters, rowMode]: Parameters<Run>,
    { keep }: { readonly keep: boolean },
  ): unknown[] {
    const { rows, columns } = this.#run(statement, parameters, { keep });
    return rowMode === "array" ? rows : rows.map((row) => asObject(row, columns));
  }
}

interface Result {
  readonly rows: unknown[][];
  readonly columns: readonly Column[];
  readonly command: string;
}

function asObject(row: readonly unknown[], columns: readonly Column[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let at = 0; at < columns.length; at++) object[columns[at]!.name] = row[at];
  return object;
}
