/**
 * `deno task inspector`: bundles src/inspector into src/inspector/dist, which is committed, so that
 * a checkout serves the page without a step before it. With `--check`, it types the sources only.
 *
 * The bundler is Deno's own. What the page is built from is named in src/inspector/deno.json and
 * locked beside it: nothing of it is installed to run a server.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const ROOT = join(import.meta.dirname!, "..");
const SOURCES = join(ROOT, "src", "inspector");
export const BUNDLE = join(SOURCES, "dist");
const CONFIG = ["--config", join(SOURCES, "deno.json"), "--quiet"];

/** The files of the bundle, each with what it is made from. */
const FILES = {
  "app.js": "app.tsx",
  "app.css": "styles/app.css",
  "index.html": "index.html",
  "icon.svg": "icon.svg",
} as const;

/** Writes the bundle into a folder. @throws Error when a source cannot be bundled */
export function bundle(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, source] of Object.entries(FILES)) {
    const from = join(SOURCES, source);
    const to = join(folder, name);
    if (name.endsWith(".html") || name.endsWith(".svg")) copyFileSync(from, to);
    else {
      deno([
        "bundle",
        ...CONFIG,
        "--platform=browser",
        "--minify",
        "--output",
        to,
        from,
      ]);
      // A file of text ends with a newline.
      writeFileSync(to, readFileSync(to, "utf8").trimEnd() + "\n");
    }
  }
}

/** The files of the committed bundle that the sources no longer make. */
export function staleFiles(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "penstock-inspector-"));
  try {
    bundle(folder);
    const read = (path: string) => readFileSync(path, "utf8");
    return Object.keys(FILES).filter((name) =>
      read(join(folder, name)) !== read(join(BUNDLE, name))
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Checks the types of the page's sources: they are a browser's, and have a configuration of their own. */
export function checkTypes(): void {
  deno(["check", ...CONFIG, join(SOURCES, "app.tsx")]);
}

function deno(args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status !== 0) throw new Error(`deno ${args[0]} failed\n${stderr}`);
}

if (import.meta.main) {
  checkTypes();
  if (!process.argv.includes("--check")) bundle(BUNDLE);
}
