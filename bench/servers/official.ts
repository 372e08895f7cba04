/**
 * The official server, @durable-streams/server, in a process of its own: in memory, or with a
 * folder. On Deno, where it is faster than on Node 20 (10k appends a second against 6k in memory,
 * 540 against 350 with files): the rival should be at its best.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

const PACKAGE = "@durable-streams/server";
const VERSION = "0.3.7";
const FOLDER = join(import.meta.dirname ?? ".", "../results/peers", VERSION);

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

interface Installation {
  readonly script: string;
  /** Where Deno is to find the package. */
  readonly modules: "manual" | "none";
}

let installed: Promise<Installation> | undefined;

/** Prints its port, as the other servers of the bench do. */
export async function officialServer(dataDir: string | undefined): Promise<Command> {
  installed ??= install();
  const { script, modules } = await installed;
  const flags = ["--quiet", "--no-lock", "--no-config", `--node-modules-dir=${modules}`];
  const args = ["run", "-A", ...flags, script, ...dataDir === undefined ? [] : [dataDir]];
  return { command: process.execPath, args, cwd: FOLDER };
}

/**
 * By npm where there is one: Deno resolves the packages of every platform, and a registry that
 * lacks one of the optional ones (of an LMDB accelerator) stops it.
 */
async function install(): Promise<Installation> {
  mkdirSync(FOLDER, { recursive: true });
  const script = join(FOLDER, "official_server.mjs");
  const run = promisify(execFile);
  const present = () => existsSync(join(FOLDER, "node_modules", PACKAGE));
  if (!present()) {
    const flags = ["--no-audit", "--no-fund", "--ignore-scripts"];
    const npm = ["install", "--prefix", FOLDER, ...flags, `${PACKAGE}@${VERSION}`];
    writeFileSync(join(FOLDER, "package.json"), `{ "private": true, "type": "module" }\n`);
    await run("npm", npm, { timeout: 120_000 }).catch(() => {}); // no npm: Deno has a client too
  }
  const specifier = present() ? PACKAGE : `npm:${PACKAGE}@${VERSION}`;
  writeFileSync(
    script,
    `import { DurableStreamTestServer } from ${JSON.stringify(specifier)};
const dataDir = process.argv[2];
const server = new DurableStreamTestServer({ port: 0, ...dataDir ? { dataDir } : {} });
console.log(new URL(await server.start()).port);
`,
  );
  return { script, modules: present() ? "manual" : "none" };
}
