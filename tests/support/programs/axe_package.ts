/**
 * Prints where the package cache has axe-core's script, and puts it there if need be: see
 * playwright_package.ts.
 */
import { createRequire } from "node:module";

const VERSION = "4.14.1";

// In a variable, or `deno check` would write it into deno.lock.
const specifier = `npm:axe-core@${VERSION}`;
await import(specifier);
const loaded = Object.keys(createRequire(import.meta.url).cache);
const entry = loaded.find((path) => /[\\/]axe-core[\\/][^\\/]+[\\/]axe\.js$/.test(path));
if (entry === undefined) throw new Error(`axe-core is not among ${loaded.join(", ")}`);
console.log(entry);
