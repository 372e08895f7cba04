/**
 * Prints where the package cache has playwright-core, and puts it there if need be.
 *
 * It runs as a process of its own with the lock file tests/tools.lock, so that a package only tests
 * need never gets into deno.lock, from which `deno task start` installs. playwright-core has no
 * dependencies, so the tests can load it from that path with `require`.
 */
import { createRequire } from "node:module";

const VERSION = "1.65.1";

// In a variable, or `deno check` would write it into deno.lock.
const specifier = `npm:playwright-core@${VERSION}`;
await import(specifier);
const loaded = Object.keys(createRequire(import.meta.url).cache);
const entry = loaded.find((path) => /[\\/]playwright-core[\\/][^\\/]+[\\/]index\.js$/.test(path));
if (entry === undefined) throw new Error(`playwright-core is not among ${loaded.join(", ")}`);
console.log(entry);
