/**
 * `package_entry.ts NAME`: prints where the package cache has the entry of a package that only tests
 * need, and puts the package there if need be.
 *
 * It runs as a process of its own with the lock file tests/tools.lock, so that the package never gets
 * into deno.lock, from which `deno task start` installs. The packages have no dependencies, so the tests
 * can load them from that path.
 */
import { createRequire } from "node:module";
import process from "node:process";

const ENTRIES: Readonly<Record<string, { readonly version: string; readonly file: string }>> = {
  "axe-core": { version: "4.14.1", file: "axe.js" },
  "playwright-core": { version: "1.65.1", file: "index.js" },
};

const [name = ""] = process.argv.slice(2);
const { version, file } = ENTRIES[name]!;
// In a variable, or `deno check` would write it into deno.lock.
const specifier = `npm:${name}@${version}`;
await import(specifier);
const loaded = Object.keys(createRequire(import.meta.url).cache);
const entry = loaded.find((path) => {
  const parts = path.split(/[\\/]/);
  return parts.at(-1) === file && parts.at(-3) === name;
});
if (entry === undefined) throw new Error(`${name} is not among ${loaded.join(", ")}`);
console.log(entry);
