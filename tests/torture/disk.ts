/** A disk of its own for one folder, small enough to be filled: in memory, and only for root. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const CHUNK = 1 << 20;

export class Disk {
  private constructor(readonly folder: string) {}

  /** Mounts one of so many bytes there; null where that is not allowed, or not known. */
  static mount(folder: string, bytes: number): Disk | null {
    if (process.platform !== "linux") return null;
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], {
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

  unmount(): void {
    try {
      execFileSync("umount", ["-l", this.folder], { stdio: "pipe" });
    } catch {
      // It is gone already.
    }
  }

  get #ballast(): string {
    return join(this.folder, "ballast");
  }
}
