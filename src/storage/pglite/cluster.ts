/**
 * The cluster's folder on the disk. A half-made cluster is never opened: it is made under another
 * name, and gets its own when all of it is on the disk.
 */
import fs from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./files.ts";

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
