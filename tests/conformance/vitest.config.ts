/**
 * Lets vitest run under Deno from the package cache, without a node_modules folder.
 *
 * vitest and the suite are some fifty packages; in deno.json, `deno task start` would install them
 * all before it serves. So they are named here and in suite.ts alone, and locked in
 * tests/tools.lock.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
// deno-lint-ignore no-import-prefix -- see above
import { defineConfig } from "npm:vitest@4.1.12/config";

export default defineConfig({
  root: import.meta.dirname ?? ".",
  // Vite would make a node_modules folder for it otherwise.
  cacheDir: join(tmpdir(), "penstock-vitest"),
  test: {
    include: ["suite.ts"],
    // Some of the suite's property tests append hundreds of times, some wait for a TTL to pass.
    testTimeout: 40_000,
    pool: "threads",
    // Left for Deno to import: vite does not know what `npm:` is.
    server: { deps: { external: [/suite\.ts$/] } },
  },
});
