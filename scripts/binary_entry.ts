/**
 * Where the binary that Bun compiles begins: the embedded PostgreSQL's files go along in it. From
 * source, and in a binary of `deno compile`, `main.ts` begins, and PGlite finds its own files.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { providePgliteAssets } from "../src/storage/pglite/assets.ts";
import { providePreparedCluster } from "../src/storage/pglite/prepared_cluster.ts";

/** With `type: "file"`, Bun embeds a file, and the import is its path in the binary. */
interface EmbeddedFile {
  readonly default: string;
}

// `as string` is for Deno, which would read the files as modules when it checks this one. Bun
// drops types before it looks for imports.
const pgliteWasm: EmbeddedFile = await import("@electric-sql/pglite/pglite.wasm" as string, {
  with: { type: "file" },
});
const initdbWasm: EmbeddedFile = await import("@electric-sql/pglite/initdb.wasm" as string, {
  with: { type: "file" },
});
const data: EmbeddedFile = await import("@electric-sql/pglite/pglite.data" as string, {
  with: { type: "file" },
});
const cluster: EmbeddedFile = await import(
  "../src/storage/pglite/prepared_cluster.tar.br" as string,
  { with: { type: "file" } }
);

providePreparedCluster(() => readFile(cluster.default));
providePgliteAssets(async () => ({
  pgliteWasmModule: await WebAssembly.compile(await readFile(pgliteWasm.default)),
  initdbWasmModule: await WebAssembly.compile(await readFile(initdbWasm.default)),
  fsBundle: new Blob([await readFile(data.default)]),
}));

const { run } = await import("../src/cli/run.ts");
await run(process.argv.slice(2));
