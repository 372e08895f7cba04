/** The embedded PostgreSQL (PGlite), durable and locked, for a node without a database URL. */
import { resolve } from "node:path";
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { settlesWithin } from "../../lib/timeout.ts";
import { drizzleOver, type Run, unwrapped } from "../drizzle.ts";
import { lockDataDir } from "./data_dir_lock.ts";
import {
  type Database,
  DatabaseUnavailable,
  type Drizzle,
  type Parameter,
  type ScannedRow,
} from "../database.ts";
import { Engine } from "./engine.ts";
import { prepareCluster } from "./cluster.ts";
import { Maintenance } from "./maintenance.ts";
import { StatementError } from "./replies.ts";
import type { Column } from "./wire_types.ts";
import type { FileLock } from "./file_lock.ts";

export interface PgliteOptions {
  /** The folder for everything: the lock, and the cluster in `postgres/`. Made if missing. */
  readonly dataDir: string;
  /**
   * How long a statement may wait for its turn, milliseconds. One that runs cannot be interrupted:
   * it runs on this thread.
   */
  readonly timeoutMs?: number;
  /** Receives the events of a server that stopped and was started again. */
  readonly report?: (event: TelemetryEvent) => void;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** How long a server that could not be started is left alone. Milliseconds. */
const RESTART_PAUSE_MS = 1_000;

/** SQLSTATEs that say "not now": a full disk or memory, an operator, an I/O error. */
const UNAVAILABLE = /^(53|57P|58)/;

/**
 * Opens the database in a folder, making it on the first run (some seconds), and replaying what a
 * crash left.
 *
 * @throws DataDirBusy when another process has the folder.
 */
export async function openPglite(options: PgliteOptions): Promise<Database> {
  const dataDir = resolve(options.dataDir);
  const lock = await lockDataDir(dataDir);
  try {
    const cluster = await prepareCluster(dataDir, makeCluster);
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const engine = await Engine.open(cluster);
    const report = options.report ?? (() => {});
    return new EmbeddedDatabase(engine, { dataDir, cluster, lock, timeoutMs, report });
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Makes a cluster of one database. The templates go: nothing is ever created from them, and as a
 * vacuum cannot reach them, theirs would stay the oldest transaction id, and hold the clean-up of
 * all commit records.
 */
async function makeCluster(folder: string): Promise<void> {
  const engine = await Engine.open(folder);
  engine.script("update pg_database set datistemplate = false");
  for (const template of ["template0", "template1"]) engine.script(`drop database ${template}`);
  await engine.close();
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
  /** A transaction, a restart or the closing: settles when statements may run again. */
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

  /** There is no connection that could be half-open. */
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
        // Nothing is kept prepared, for migrations come this way.
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

  async execute(script: string): Promise<void> {
    while (!this.#idle()) await this.#turn();
    this.#guarded(() => {
      this.#engine.script(script);
      this.#engine.invalidatePrepared();
    });
  }

  /** A data folder has one node, and NOTIFY tells nodes of each other. */
  listen(): Promise<never> {
    return Promise.reject(new Error("the embedded database has one node and does not listen"));
  }

  /** No other server is ever promoted in its place. */
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
   * Waits until a statement may run, and starts a server again that has stopped. By the time the
   * caller goes on, another may have taken the turn, so callers ask in a loop.
   * @throws DatabaseUnavailable when the database is closed, or the turn does not come in time
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

  /** Keeps all other statements waiting. It may be called only while idle. */
  #occupy<T>(work: () => Promise<T>): Promise<T> {
    const done = work().finally(() => this.#busy = undefined);
    this.#busy = done;
    return done;
  }

  /** A server that has panicked recovers as one that was killed does, by starting again. */
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
        throw new DatabaseUnavailable(`${error.code}: ${error.message}`, { cause: error });
      }
      throw error;
    }
  }

  /** A statement that drizzle has built. */
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
