/**
 * `deno task cluster`: makes src/storage/pglite/prepared_cluster.tar.br, the cluster that a first
 * start unpacks. To be run when deno.json names a PGlite of another PostgreSQL major version, or
 * when tests/storage/pglite/prepared_cluster_test.ts finds another difference to what initdb makes.
 *
 * The files hold the time of their making, so two runs differ in some bytes.
 */
import { createWriteStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress } from "node:zlib";
import { packTar } from "modern-tar/fs";
import { Engine } from "../src/storage/pglite/engine.ts";
import { PREPARED_CLUSTER } from "../src/storage/pglite/prepared_cluster.ts";

/** Whose the files in the tar are, and of when. */
const NOBODY = { uid: 0, gid: 0, uname: "", gname: "", mtime: new Date(0) };

/**
 * Makes a cluster of one database by initdb. The template databases are dropped: no database is ever
 * created from them, and a vacuum cannot reach them, so their transaction ids would remain the oldest
 * ones and keep PostgreSQL from removing old commit records.
 */
export async function makeCluster(folder: string): Promise<void> {
  const engine = await Engine.open(folder);
  engine.script("update pg_database set datistemplate = false");
  for (const template of ["template0", "template1"]) engine.script(`drop database ${template}`);
  engine.script("vacuum (freeze, analyze)");
  // What initdb wrote to the WAL is in the data files: an empty segment takes its place.
  engine.script("set wal_recycle = off");
  engine.script("select pg_switch_wal()");
  engine.script("checkpoint");
  await engine.close();
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-cluster-"));
  try {
    await makeCluster(folder);
    const brotli = createBrotliCompress({
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        // What unpacks keeps a window of 4 MiB, and not one of 16.
        [constants.BROTLI_PARAM_LGWIN]: 22,
      },
    });
    const files = packTar(folder, { map: (header) => ({ ...header, ...NOBODY }), concurrency: 1 });
    await pipeline(files, brotli, createWriteStream(PREPARED_CLUSTER));
    console.log(`${statSync(PREPARED_CLUSTER).size} bytes`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
