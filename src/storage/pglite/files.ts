/**
 * The embedded PostgreSQL's files on the host's disk. PGlite is built for browsers, and its fsync
 * does nothing; with these files a commit is on the disk before it is acknowledged. They also leave
 * nothing behind when the host cannot create a file, where Emscripten would keep a node for it.
 */
import fs from "node:fs";
import process from "node:process";
import type { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";

let fsyncs = 0;

/** How many files of embedded databases this process has forced to the disk. */
export function fsyncCount(): number {
  return fsyncs;
}

/** Emscripten's node of a file or folder. It is found by its name until it is destroyed. */
interface FileNode {
  readonly parent: FileNode;
  readonly name: string;
}

/** The part of Emscripten's virtual file system that is used here. */
interface VirtualFiles {
  lookupNode(parent: FileNode, name: string): FileNode;
  destroyNode(node: FileNode): void;
}

/** The part of Emscripten's NODEFS, its file system on the host's, that is used here. */
interface NodeFiles {
  realPath(node: FileNode): string;
  convertNodeCode(error: unknown): number | undefined;
  node_ops: {
    mknod(parent: FileNode, name: string, mode: number, device: number): FileNode;
  };
  stream_ops: {
    open(stream: FileStream): void;
    close(stream: FileStream): void;
    fsync?(stream: FileStream): number;
  };
}

interface FileStream {
  readonly node: FileNode;
  /** The host's descriptor; a directory has none. */
  readonly nfd?: number | null;
  readonly path?: string;
}

/** The options of a PGlite's Emscripten module, as its file systems pass them on. */
type ModuleOptions = Parameters<NodeFS["init"]>[1];

/** Emscripten's number for "input/output error". */
const EIO = 29;

const WAL_SEGMENT = /\/pg_wal\/[0-9A-F]{24}$/;

/** A folder of the host as the server's data directory, with an fsync that reaches the disk. */
export class DurableFiles extends NodeFS {
  #segments = new Set<string>();
  #streams = new Set<FileStream>();

  /** How many WAL segments have been written to since `checkpointed`. */
  get walSegments(): number {
    return this.#segments.size;
  }

  /** A checkpoint has brought everything in the WAL to the data files. */
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
          (module) => {
            const files = module.NODEFS as unknown as NodeFiles;
            this.#makeDurable(files);
            undoFailedCreates(files, module.FS as unknown as VirtualFiles);
          },
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
        // The server had closed this descriptor itself.
      }
    }
    this.#streams.clear();
  }

  #makeDurable(files: NodeFiles): void {
    const operations = files.stream_ops;
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
        // The server panics on this error, as it should: what is on the disk is unknown now.
        return files.convertNodeCode(error) ?? EIO;
      }
    };
  }
}

/**
 * Removes what a failed creation leaves: the node, and the file where only its opening failed.
 * Emscripten registers a node before the host's file exists, and keeps it when the host has no
 * inode or descriptor left. Until the process ended, PostgreSQL could then neither create the file,
 * for it would exist, nor open it, for it would not.
 */
function undoFailedCreates(files: NodeFiles, virtual: VirtualFiles): void {
  const { node_ops: nodes, stream_ops: streams } = files;
  const { mknod } = nodes;
  const { open } = streams;
  let created: FileNode | undefined;
  nodes.mknod = (parent, name, mode, device) => {
    try {
      return created = mknod(parent, name, mode, device);
    } catch (error) {
      removeIfThere(() => virtual.destroyNode(virtual.lookupNode(parent, name)));
      throw error;
    }
  };
  streams.open = (stream) => {
    // A file is opened directly after its creation, within one call of the server.
    const isNew = stream.node === created;
    created = undefined;
    try {
      open(stream);
    } catch (error) {
      if (isNew) {
        const path = files.realPath(stream.node);
        virtual.destroyNode(stream.node);
        removeIfThere(() => fs.unlinkSync(path));
      }
      throw error;
    }
  };
}

/** Removes something that may not exist. */
function removeIfThere(remove: () => void): void {
  try {
    remove();
  } catch {
    // The creation failed before there was anything to remove.
  }
}

/**
 * fsync of a folder. Windows cannot open one as a file, and makes its entries durable by itself.
 */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
