/**
 * The files that PGlite needs to start. When Penstock runs from source, PGlite finds them beside
 * its own module, in node_modules. A compiled binary has no such folder, so its entry file provides
 * the files that were embedded in it.
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
 * Sets where the assets come from, before the first `openPglite`. `load` runs once, and only when
 * the embedded database is opened: a node that uses a server need not compile 9 MB of WASM.
 */
export function providePgliteAssets(load: () => Promise<PgliteAssets>): void {
  loader = load;
  loading = undefined;
}

/** The assets provided; an empty object when there are none, and PGlite finds its files itself. */
export async function pgliteAssets(): Promise<Partial<PgliteAssets>> {
  if (loader === undefined) return {};
  return await (loading ??= loader());
}
