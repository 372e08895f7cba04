/** Lets one process use a data directory: two would overwrite each other's pages. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { type FileLock, tryLockFile } from "./file_lock.ts";

/** The data directory is in use by another process. Nothing in it has been touched. */
export class DataDirBusy extends Error {
  override name = "DataDirBusy";
  /** The directory, absolute. */
  readonly dataDir: string;
  /** The id of the process that has the directory, where it could be read. */
  readonly holder: number | undefined;

  constructor(dataDir: string, holder: number | undefined) {
    super(
      `the data directory ${dataDir} is in use by another Penstock` +
        (holder === undefined ? "" : ` (process ${holder})`) +
        ": stop it, or name another directory",
    );
    this.dataDir = dataDir;
    this.holder = holder;
  }
}

/** The files beside the database: the lock, which stays empty, and the id of its last holder. */
const LOCK_FILE = "penstock.lock";
const HOLDER_FILE = "penstock.pid";

/**
 * Takes the directory for this process, creating it if need be. The kernel gives it back when the
 * process ends, `kill -9` included. The lock file is never deleted: a process that had opened the
 * deleted one would hold a lock on nothing.
 *
 * @throws DataDirBusy when another process has it.
 */
export async function lockDataDir(dataDir: string): Promise<FileLock> {
  const folder = resolve(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = await tryLockFile(join(folder, LOCK_FILE));
  if (lock === undefined) throw new DataDirBusy(folder, readHolder(folder));
  // The id has a file of its own, because Windows lets no other process read a locked one.
  writeFileSync(join(folder, HOLDER_FILE), `${process.pid}\n`);
  return lock;
}

function readHolder(folder: string): number | undefined {
  try {
    const holder = Number.parseInt(readFileSync(join(folder, HOLDER_FILE), "utf8"), 10);
    return holder > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}
