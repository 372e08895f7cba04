/**
 * A new cluster without initdb, which takes seconds and leaves 300 MiB of memory behind: the files
 * of an empty cluster are part of Penstock, and the first start only writes them to the disk.
 * `deno task cluster` makes them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { unpackTar } from "modern-tar/fs";

/** A tar of the cluster's folder, compressed with Brotli. */
export const PREPARED_CLUSTER = join(import.meta.dirname ?? ".", "prepared_cluster.tar.br");

let load = (): Promise<Uint8Array> => readFile(PREPARED_CLUSTER);

/** Says where the compressed tar comes from, in a binary that has no files beside its modules. */
export function providePreparedCluster(loader: () => Promise<Uint8Array>): void {
  load = loader;
}

/**
 * Writes the files of an empty cluster into a folder. Nothing is forced to the disk.
 *
 * All clusters made so have the same system identifier; it tells apart the servers of one
 * replication, in which the embedded database takes no part.
 */
export async function unpackCluster(folder: string): Promise<void> {
  // In a stream: 25 MiB of files need not be in memory at once.
  await pipeline(
    Readable.from([await load()]),
    createBrotliDecompress(),
    unpackTar(folder, { dmode: 0o700, fmode: 0o600 }),
  );
}
