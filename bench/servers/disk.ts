/** What a folder's files hold. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Bytes of the files below a folder whose paths are accepted; files that vanish meanwhile are none. */
export function folderBytes(folder: string, accepts: (path: string) => boolean): number {
  let sum = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    if (accepts(path)) sum += fileBytes(path);
  }
  return sum;
}

function fileBytes(path: string): number {
  try {
    const found = statSync(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
