/**
 * One running PGlite: synchronous calls on this thread, and prepared statements. A server that has
 * crashed is always noticed, and never called again.
 */
import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import { DatabaseUnavailable, type Parameter } from "../database.ts";
import { pgliteAssets } from "./assets.ts";
import { DurableFiles } from "./files.ts";
import { START_PARAMETERS } from "./server_settings.ts";
import { MessageWriter } from "./message_writer.ts";
import { readReply, type Reply } from "./replies.ts";
import type { Column } from "./wire_types.ts";

/** Statements beyond this many are parsed for each call. Our own SQL never reaches the bound. */
const MAX_PREPARED = 256;

/**
 * The status that PGlite throws for PostgreSQL's longjmp to its main loop, which handles an ERROR.
 */
const LONGJMP_STATUS = 100;

/** The part of PGlite's Emscripten module that is used here. */
interface ServerModule {
  stackRestore(pointer: number): void;
  _PostgresMainLoopOnce(): void;
  _PostgresMainLongJmp(): void;
  _PostgresSendReadyForQueryIfNecessary(): void;
  _pgl_pq_flush(): void;
}

interface Prepared {
  readonly name: string;
  readonly columns: readonly Column[];
}

export class Engine {
  #server: PGlite;
  #files: DurableFiles;
  #writer = new MessageWriter();
  #received = new Uint8Array(64 * 1024);
  #receivedLength = 0;
  #prepared = new Map<string, Prepared>();
  #failure: unknown;

  /**
   * Starts a server over a cluster's folder, making the cluster if the folder is empty, and
   * replaying what a crash left.
   */
  static async open(folder: string): Promise<Engine> {
    const files = new DurableFiles(folder);
    const options: PGliteOptions = {
      ...await pgliteAssets(),
      fs: files,
      startParams: [...START_PARAMETERS],
    };
    try {
      return new Engine(await PGlite.create(options), files);
    } catch (error) {
      files.abandon();
      throw error;
    }
  }

  private constructor(server: PGlite, files: DurableFiles) {
    this.#server = server;
    this.#files = files;
    this.#noticeDeath(server.Module as unknown as ServerModule);
  }

  /** The exception that the server crashed with; undefined while it runs. */
  get failure(): unknown {
    return this.#failure;
  }

  get files(): DurableFiles {
    return this.#files;
  }

  /**
   * Runs one statement, in a transaction of its own unless one is open.
   * @param keep whether to prepare it for the next time.
   * @throws StatementError when PostgreSQL refuses it.
   * @throws DatabaseUnavailable when the server crashed: the statement may or may not have taken
   * effect.
   */
  run(
    statement: string,
    parameters: readonly Parameter[],
    { keep }: { keep: boolean },
  ): { reply: Reply; columns: readonly Column[] } {
    const { name, columns } = this.#prepared.get(statement) ?? this.#prepare(statement, keep);
    this.#writer.bind(name, parameters, columns).execute().sync();
    return { reply: this.#call(columns), columns };
  }

  /** Runs several statements without parameters. */
  script(statements: string): Reply {
    this.#writer.query(statements);
    return this.#call(undefined);
  }

  /** Drops all prepared statements, because the tables they were planned for may have changed. */
  invalidatePrepared(): void {
    this.#prepared.clear();
    this.script("deallocate all");
  }

  /** Shuts the server down. Of one that has crashed, only the files are closed. */
  async close(): Promise<void> {
    if (this.#failure === undefined) await this.#server.close();
    this.#files.abandon();
  }

  #prepare(statement: string, keep: boolean): Prepared {
    const name = keep && this.#prepared.size < MAX_PREPARED ? `p${this.#prepared.size}` : "";
    this.#writer.parse(name, statement).describe(name).sync();
    const prepared = { name, columns: this.#call(undefined).columns ?? [] };
    if (name !== "") this.#prepared.set(statement, prepared);
    return prepared;
  }

  #call(columns: readonly Column[] | undefined): Reply {
    const message = this.#writer.take();
    if (this.#failure !== undefined) throw this.#unavailable();
    this.#receivedLength = 0;
    const done = this.#server.execProtocolRawStream(message, {
      syncToFs: false,
      onRawData: (bytes) => this.#receive(bytes),
    });
    done.catch((error) => this.#failure ??= error);
    // The statement has run to its end by now, because PGlite works on the thread that calls it.
    if (this.#failure !== undefined) throw this.#died(columns);
    const reply = readReply(this.#received.subarray(0, this.#receivedLength), columns);
    if (this.#received.length > 8 * 1024 * 1024) this.#received = new Uint8Array(64 * 1024);
    if (!reply.ready) {
      this.#failure = new Error("the server did not finish its reply");
      throw this.#unavailable();
    }
    if (reply.error !== undefined) throw reply.error;
    return reply;
  }

  #receive(bytes: Uint8Array): void {
    const length = this.#receivedLength + bytes.length;
    if (length > this.#received.length) {
      const grown = new Uint8Array(Math.max(length, this.#received.length * 2));
      grown.set(this.#received.subarray(0, this.#receivedLength));
      this.#received = grown;
    }
    this.#received.set(bytes, this.#receivedLength);
    this.#receivedLength = length;
  }

  /** A PANIC says why before it aborts: the disk is full, an fsync failed. */
  #died(columns: readonly Column[] | undefined): DatabaseUnavailable {
    try {
      const { error } = readReply(this.#received.subarray(0, this.#receivedLength), columns);
      if (error !== undefined) this.#failure = error;
    } catch {
      // The crash left a message incomplete.
    }
    return this.#unavailable();
  }

  #unavailable(): DatabaseUnavailable {
    return new DatabaseUnavailable(`the embedded database has stopped: ${this.#failure}`, {
      cause: this.#failure,
    });
  }

  /**
   * Wraps the server's entry points, so that a crash is noticed. PGlite itself catches whatever the
   * server throws, including the abort of a PANIC and a trap of WASM, and goes on calling it: a
   * server with corrupted memory would run the next statement. A commit that a trap ended could
   * even seem to have worked, because CommandComplete is sent before the commit. So every exception
   * is checked here, and after any but PostgreSQL's own longjmp the server is never called again.
   */
  #noticeDeath(module: ServerModule): void {
    const watched = (work: () => void) => () => {
      if (this.#failure !== undefined) return;
      try {
        work();
      } catch (error) {
        const status = (error as { status?: unknown } | undefined)?.status;
        if (status !== LONGJMP_STATUS) this.#failure = error ?? new Error("aborted");
        throw error;
      }
    };
    module._PostgresMainLoopOnce = watched(module._PostgresMainLoopOnce);
    module._PostgresMainLongJmp = watched(module._PostgresMainLongJmp);
    module._PostgresSendReadyForQueryIfNecessary = watched(
      module._PostgresSendReadyForQueryIfNecessary,
    );
    module._pgl_pq_flush = watched(module._pgl_pq_flush);
    const restore = module.stackRestore;
    module.stackRestore = (pointer) => {
      // PGlite calls this after catching an exception: throwing here is what ends its loop.
      if (this.#failure !== undefined) throw this.#failure;
      restore(pointer);
    };
  }
}
