/** A disk of its own for one folder, small enough to be filled: in memory, and only for root. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const CHUNK = 1 << 20;
/** Files that the disk can hold: a database has about 1,500. */
const INODES = 6000;

export class Disk {
  private constructor(readonly folder: string) {}

  /** Mounts one of so many bytes there; null where that is not allowed, or not known. */
  static mount(folder: string, bytes: number): Disk | null {
    if (process.platform !== "linux") return null;
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync("mount", [
        "-t",
        "tmpfs",
        "-o",
        `size=${bytes},nr_inodes=${INODES}`,
        "tmpfs",
        folder,
      ], {
        stdio: "pipe",
      });
      return new Disk(folder);
    } catch {
      return null;
    }
  }

  /** Leaves nothing free. */
  fill(): void {
    const chunk = new Uint8Array(CHUNK);
    const { bavail, bsize } = statfsSync(this.folder);
    try {
      for (let left = bavail * bsize; left > 0; left -= CHUNK) {
        appendFileSync(this.#ballast, chunk.subarray(0, Math.min(left, CHUNK)));
      }
    } catch {
      // Full, which was the point.
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Leaves no inode: nothing new can be created, though there is room. */
  useUpInodes(): void {
    mkdirSync(this.#files, { recursive: true });
    try {
      for (let at = 0; at < INODES; at++) writeFileSync(join(this.#files, String(at)), "");
    } catch {
      // There is none left, which was the point.
    }
  }

  freeInodes(): void {
    rmSync(this.#files, { recursive: true, force: true });
  }

  unmount(): void {
    try {
      execFileSync("umount", ["-l", this.folder], { stdio: "pipe" });
    } catch {
      // It is gone already.
    }
  }

  get #files(): string {
    return join(this.folder, "files");
  }

  get #ballast(): string {
    return join(this.folder, "ballast");
  }
}
