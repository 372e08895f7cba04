/** The folder of the cluster: a cluster that was only partly made is never opened. */
import fs from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./files.ts";

/** The cluster's folder within a data directory. */
const FOLDER = "postgres";

/** Whether the data directory holds a cluster that was made to the end. */
export function holdsCluster(dataDir: string): boolean {
  return fs.existsSync(join(dataDir, FOLDER, "PG_VERSION"));
}

/**
 * The cluster's folder within a data directory, made by `create` if there is none. `create` works
 * under another name, and the folder is renamed only when all of it is on the disk: what a power
 * cut leaves in between is thrown away at the next start.
 */
export async function prepareCluster(
  dataDir: string,
  create: (folder: string) => Promise<void>,
): Promise<string> {
  const cluster = join(dataDir, FOLDER);
  if (holdsCluster(dataDir)) return cluster;
  const unfinished = join(dataDir, `${FOLDER}.new`);
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
