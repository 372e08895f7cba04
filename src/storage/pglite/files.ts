/**
 * The embedded PostgreSQL's files, made durable. PGlite is built for browsers: it starts its
 * server with fsync off, and its file system answers fsync by doing nothing. Here a commit is on
 * the disk before it is acknowledged, and a half-made cluster is never opened.
 */
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";

/**
 * What the server is started with: PGlite's own list without `-F` (fsync off) and `-O`, and with
 * the settings of a small machine that must not lose what it acknowledged.
 */
export const START_PARAMETERS: readonly string[] = [
  "--single",
  // A newline is no end of a statement.
  "-j",
  ...settings({
    search_path: "pg_catalog,penstock,pg_temp",
    exit_on_error: "false",
    log_checkpoints: "false",
    // One thread: nobody to hand work to.
    max_worker_processes: "0",
    max_parallel_workers: "0",
    max_parallel_workers_per_gather: "0",
    max_parallel_maintenance_workers: "0",
    io_method: "sync",
    fsync: "on",
    // The other methods end in calls that Emscripten answers by doing nothing.
    wal_sync_method: "fsync",
    full_page_writes: "on",
    synchronous_commit: "on",
    // Streams are appended and read at their tails: a large cache earns little, and every
    // checkpoint has to write what is dirty in it while requests wait.
    shared_buffers: "32MB",
    wal_buffers: "4MB",
    max_wal_size: "128MB",
    min_wal_size: "32MB",
    // Replayed on reopening: see CHECKPOINT_SEGMENTS, which is what really bounds it here.
    checkpoint_timeout: "1h",
  }),
];

/** How much WAL may pile up before a checkpoint, in segments of 16 MiB. */
export const CHECKPOINT_SEGMENTS = 3;

function settings(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

let fsyncs = 0;

/** How many files of embedded databases this process has forced to the disk. */
export function fsyncCount(): number {
  return fsyncs;
}

/** What is used of Emscripten's file system on Node's. */
interface NodeFiles {
  realPath(node: unknown): string;
  convertNodeCode(error: unknown): number | undefined;
  stream_ops: {
    open(stream: FileStream): void;
    fsync?(stream: FileStream): number;
  };
}

interface FileStream {
  readonly node: unknown;
  /** The host's descriptor; a directory has none. */
  readonly nfd?: number | null;
  readonly path?: string;
}

/** The options of a PGlite's Emscripten module, as its file systems pass them on. */
type ModuleOptions = Parameters<NodeFS["init"]>[1];

/** Emscripten's number for "input/output error". */
const EIO = 29;

const WAL_SEGMENT = /\/pg_wal\/[0-9A-F]{24}$/;

/** A folder of the host as the server's data directory, with an fsync that is one. */
export class DurableFiles extends NodeFS {
  #segments = new Set<string>();
  #streams = new Set<FileStream>();

  /** How many WAL segments have been written to since `checkpointed`. */
  get walSegments(): number {
    return this.#segments.size;
  }

  /** What was written before is in the data files now. */
  checkpointed(): void {
    this.#segments.clear();
  }

  override async init(
    pg: PGlite,
    options: ModuleOptions,
  ): Promise<{ emscriptenOpts: ModuleOptions }> {
    const { emscriptenOpts } = await super.init(pg, options);
    return {
      emscriptenOpts: {
        ...emscriptenOpts,
        preRun: [
          ...(emscriptenOpts.preRun ?? []),
          (module) => this.#makeDurable(module.NODEFS as unknown as NodeFiles),
        ],
      },
    };
  }

  /**
   * Closes the host's descriptors of a server that has aborted and will not close them itself, so
   * that another can be started over the same folder.
   */
  abandon(): void {
    for (const { nfd } of this.#streams) {
      if (nfd === undefined || nfd === null) continue;
      try {
        fs.closeSync(nfd);
      } catch {
        // It had been closed after all.
      }
    }
    this.#streams.clear();
  }

  #makeDurable(files: NodeFiles): void {
    const operations = files.stream_ops as NodeFiles["stream_ops"] & {
      close(stream: FileStream): void;
    };
    const { open, close } = operations;
    operations.open = (stream) => {
      open(stream);
      this.#streams.add(stream);
      if (stream.path !== undefined && WAL_SEGMENT.test(stream.path)) {
        this.#segments.add(stream.path);
      }
    };
    operations.close = (stream) => {
      close(stream);
      this.#streams.delete(stream);
    };
    operations.fsync = (stream) => {
      try {
        if (stream.nfd === undefined || stream.nfd === null) {
          syncFolder(files.realPath(stream.node));
        } else {
          fs.fsyncSync(stream.nfd);
        }
        fsyncs++;
        return 0;
      } catch (error) {
        // The server panics on this, as it should: what is on the disk is unknown now.
        return files.convertNodeCode(error) ?? EIO;
      }
    };
  }
}

/**
 * The cluster's folder within a data directory, made by `create` if there is none. It is made
 * under another name and gets its own only when all of it is on the disk: a power cut in between
 * leaves something to throw away, not something to open.
 */
export async function prepareCluster(
  dataDir: string,
  create: (folder: string) => Promise<void>,
): Promise<string> {
  const cluster = join(dataDir, "postgres");
  if (fs.existsSync(join(cluster, "PG_VERSION"))) return cluster;
  const unfinished = join(dataDir, "postgres.new");
  fs.rmSync(unfinished, { recursive: true, force: true });
  fs.mkdirSync(unfinished, { mode: 0o700 });
  await create(unfinished);
  syncTree(unfinished);
  fs.renameSync(unfinished, cluster);
  syncFolder(dataDir);
  return cluster;
}

function syncTree(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      syncTree(path);
    } else if (entry.isFile()) {
      const descriptor = fs.openSync(path, "r+");
      fs.fsyncSync(descriptor);
      fs.closeSync(descriptor);
    }
  }
  syncFolder(folder);
}

/** Windows cannot open a folder as a file, and keeps its entries safe by itself. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
