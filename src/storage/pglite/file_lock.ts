/**
 * An exclusive lock on a file, which the kernel releases when this process ends, however it ends.
 * This is the only file of the storage that names Deno and Bun, because neither Node's API nor the
 * web's has such a lock. The mere existence of a lock file would outlast a `kill -9`, and a process
 * id in it would mislead when the id is used again, as in a container, where it is always 1.
 *
 * | system          | Deno                          | Bun                                        |
 * | --------------- | ----------------------------- | ------------------------------------------ |
 * | Linux and macOS | `FsFile.tryLockSync`, flock(2) | flock(2) of the C library, by bun:ffi      |
 * | Windows         | `FsFile.tryLockSync`, LockFileEx | `CreateFileW` that shares with nobody    |
 *
 * The two locks of one row exclude each other too.
 */
import { closeSync, openSync } from "node:fs";
import process from "node:process";

/** A lock that is held. */
export interface FileLock {
  /** Gives the lock up. */
  release(): void;
}

/**
 * Locks the file at `path`, creating it if need be; undefined when someone else has it locked.
 * @throws Error when the file cannot be opened, or the runtime has no way to lock.
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  if (typeof Deno !== "undefined") return lockByDeno(path);
  if (process.versions.bun === undefined) {
    throw new Error("no file locks in this runtime: run Penstock on Deno or on Bun");
  }
  return process.platform === "win32" ? await shareWithNobody(path) : await lockByBun(path);
}

function lockByDeno(path: string): FileLock | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true, write: true, create: true });
  } catch (error) {
    if (isSharingViolation(error)) return undefined;
    throw error;
  }
  let locked = false;
  try {
    locked = file.tryLockSync(true);
  } finally {
    if (!locked) file.close();
  }
  return locked ? { release: () => file.close() } : undefined;
}

/** ERROR_SHARING_VIOLATION: a Penstock on Bun has the file open and shares it with nobody. */
function isSharingViolation(error: unknown): boolean {
  return (error as { code?: unknown }).code === "EBUSY" || /os error 32/.test(String(error));
}

/** The part of bun:ffi that is used here. Its own types are not available to `deno check`. */
interface ForeignFunctions {
  dlopen(library: string, symbols: Record<string, { args: string[]; returns: string }>): {
    symbols: Record<string, (...values: unknown[]) => unknown>;
  };
}

async function foreignFunctions(): Promise<ForeignFunctions> {
  // The name is in a variable because Deno refuses a module graph with a `bun:` specifier in it.
  const name = "bun:ffi";
  return await import(name);
}

const LOCK_EXCLUSIVE = 2;
const LOCK_NONBLOCKING = 4;

async function lockByBun(path: string): Promise<FileLock | undefined> {
  const flock = await flockOf(await foreignFunctions());
  const descriptor = openSync(path, "a+", 0o600);
  let locked = false;
  try {
    locked = flock(descriptor, LOCK_EXCLUSIVE | LOCK_NONBLOCKING) === 0;
  } finally {
    if (!locked) closeSync(descriptor);
  }
  return locked ? { release: () => closeSync(descriptor) } : undefined;
}

/** flock(2) of the C library, whose file has another name with glibc, with musl and on macOS. */
function flockOf(ffi: ForeignFunctions): (descriptor: number, operation: number) => unknown {
  const names = process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", "libc.so", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
  let reason: unknown;
  for (const name of names) {
    try {
      const { symbols } = ffi.dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } });
      return symbols.flock!;
    } catch (error) {
      reason = error;
    }
  }
  throw new Error(`no C library to lock files with among ${names.join(", ")}`, { cause: reason });
}

const GENERIC_READ_WRITE = 0xC0000000;
const OPEN_ALWAYS = 4;
const SHARING_VIOLATION = 32;

/** Opens the file without sharing it, so that a second attempt to open it fails meanwhile. */
async function shareWithNobody(path: string): Promise<FileLock | undefined> {
  const { dlopen } = await foreignFunctions();
  const { symbols: kernel } = dlopen("kernel32.dll", {
    CreateFileW: { args: ["ptr", "u32", "u32", "ptr", "u32", "u32", "ptr"], returns: "i64" },
    CloseHandle: { args: ["i64"], returns: "i32" },
    GetLastError: { args: [], returns: "u32" },
  });
  const name = Uint16Array.from(
    { length: path.length + 1 },
    (_, at) => at < path.length ? path.charCodeAt(at) : 0,
  );
  const handle = kernel.CreateFileW!(name, GENERIC_READ_WRITE, 0, null, OPEN_ALWAYS, 0, null);
  if (BigInt(handle as bigint) !== -1n) return { release: () => void kernel.CloseHandle!(handle) };
  const code = kernel.GetLastError!();
  // The runtime may have made another system call in between, which resets the code to 0: a file
  // that could not be opened for an unknown reason is treated as one that is in use.
  if (code === SHARING_VIOLATION || code === 0) return undefined;
  throw new Error(`${path} cannot be opened: Windows error ${code}`);
}
