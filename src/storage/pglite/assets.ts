/**
 * What the embedded PostgreSQL is made of. From source PGlite finds its files beside its own
 * module, in node_modules; in a compiled binary there is no such place, and the binary's entry
 * file provides what was embedded in it.
 */

/** The three files of PGlite, in the shape its options take them. */
export interface PgliteAssets {
  /** `pglite.wasm`: the server. */
  readonly pgliteWasmModule: WebAssembly.Module;
  /** `initdb.wasm`: what makes a new cluster. */
  readonly initdbWasmModule: WebAssembly.Module;
  /** `pglite.data`: the share files (catalogue templates, time zones). */
  readonly fsBundle: Blob;
}

let loader: (() => Promise<PgliteAssets>) | undefined;
let loading: Promise<PgliteAssets> | undefined;

/**
 * Says where the assets come from, before the first `openPglite`. `load` runs once, and only if
 * the embedded database is opened: compiling 9 MB of WASM is not for those who have a server.
 */
export function providePgliteAssets(load: () => Promise<PgliteAssets>): void {
  loader = load;
  loading = undefined;
}

/** The assets provided; an empty object when there are none and PGlite is to look for itself. */
export async function pgliteAssets(): Promise<Partial<PgliteAssets>> {
  if (loader === undefined) return {};
  return await (loading ??= loader());
}
