/**
 * What the embedded PostgreSQL is made of. From source PGlite finds its files beside its own
 * module, in node_modules; in a compiled binary there is no such place, and the binary's entry
 * file provides what was embedded in it.
 */

/** The three files of PGlite, in the shape its options take them. */
export interface EmbeddedAssets {
  /** `pglite.wasm`: the server. */
  readonly pgliteWasmModule: WebAssembly.Module;
  /** `initdb.wasm`: what makes a new cluster. */
  readonly initdbWasmModule: WebAssembly.Module;
  /** `pglite.data`: the share files (catalogue templates, time zones). */
  readonly fsBundle: Blob;
}

let loader: (() => Promise<EmbeddedAssets>) | undefined;
let loading: Promise<EmbeddedAssets> | undefined;

/**
 * Says where the assets come from, before the first `openEmbedded`. `load` runs once, and only if
 * the embedded database is opened: compiling 9 MB of WASM is not for those who have a server.
 */
export function provideEmbeddedAssets(load: () => Promise<EmbeddedAssets>): void {
  loader = load;
  loading = undefined;
}

/** The assets provided; an empty object when there are none and PGlite is to look for itself. */
export async function embeddedAssets(): Promise<Partial<EmbeddedAssets>> {
  if (loader === undefined) return {};
  return await (loading ??= loader());
}
