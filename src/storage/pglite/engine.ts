/**
 * One running PGlite: calls that run to their end on this thread, prepared statements, and the
 * certainty that a server that has died is noticed.
 */
import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import { DatabaseUnavailable, type Parameter } from "../database.ts";
import { pgliteAssets } from "./assets.ts";
import { DurableFiles } from "./files.ts";
import { START_PARAMETERS } from "./server_settings.ts";
import { MessageWriter } from "./message_writer.ts";
import { readReply, type Reply } from "./replies.ts";
import type { Column } from "./wire_types.ts";

/** Beyond this many, statements are parsed anew each time: a bound, never reached by our SQL. */
const MAX_PREPARED = 256;

/** What PGlite throws for PostgreSQL's longjmp to its main loop: an ERROR, dealt with there. */
const LONGJMP_STATUS = 100;

/** What is used of PGlite's Emscripten module. */
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

  /** Why the server is dead; undefined while it lives. */
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
   * @throws DatabaseUnavailable when the server died of it: it may or may not have taken effect.
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

  /** Forgets what was prepared, for the tables may have changed. */
  invalidatePrepared(): void {
    this.#prepared.clear();
    this.script("deallocate all");
  }

  /** Shuts the server down in good order; a dead one is only swept up. */
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
    // All has happened by now: PGlite works on the thread that calls it.
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
      // It died in the middle of a message.
    }
    return this.#unavailable();
  }

  #unavailable(): DatabaseUnavailable {
    return new DatabaseUnavailable(`the embedded database has stopped: ${this.#failure}`, {
      cause: this.#failure,
    });
  }

  /**
   * PGlite swallows whatever the server throws, a PANIC's abort and a trap of WASM included, and
   * goes on calling it: a server whose memory is no longer sound would serve the next statement.
   * And as CommandComplete is sent before the commit, a commit that a trap ended could look like
   * one that worked. So every exception is looked at here, and after one that is not
   * PostgreSQL's own longjmp nothing of the server runs again.
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
      // Called where PGlite has caught an exception: the way out of its loop.
      if (this.#failure !== undefined) throw this.#failure;
      restore(pointer);
    };
  }
}
