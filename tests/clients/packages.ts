/**
 * Installs the clients that the probes run, once per user, outside the repository.
 *
 * They stay in `$XDG_CACHE_HOME/penstock-client-probes` (`~/.cache` by default), one folder per set
 * of versions; Go keeps its modules and builds where it always does. Nothing gets into deno.lock.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

const INSTALL_LIMIT_MS = 180_000;
const run = promisify(execFile);

/** Where the packages are, or in one line why they are not. */
export type Packages = { readonly folder: string } | { readonly missing: string };

export const NPM = {
  "@durable-streams/aisdk-transport": "0.0.7",
  "@durable-streams/client": "0.2.7",
  "@durable-streams/state": "0.3.1",
  "@durable-streams/tanstack-ai-transport": "0.0.9",
  "@durable-streams/y-durable-streams": "0.2.7",
  "@tanstack/db": "0.15.2",
  "ai": "6.0.326",
  "lib0": "0.2.120",
  "y-protocols": "1.0.7",
  "yjs": "13.6.33",
} as const;

export const PYTHON = "durable-streams==0.1.0";

/** A folder with `node_modules`: of the clients, unless other packages are named. */
export function installNpmPackages(
  dependencies: Readonly<Record<string, string>> = NPM,
): Promise<Packages> {
  return install("npm", JSON.stringify(dependencies), async (folder) => {
    const manifest = { private: true, type: "module", dependencies };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    await execute("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], folder);
  });
}

/** A folder for PYTHONPATH, with what `pip install` puts into a virtual environment. */
export function installPythonPackage(): Promise<Packages> {
  return install("python", PYTHON, (folder) => {
    const options = ["--quiet", "--disable-pip-version-check", "--target", folder];
    return execute("python3", ["-m", "pip", "install", ...options, PYTHON], folder);
  });
}

/** Builds the Go probe; the folder holds its program, `probe`. */
export function buildGoProbe(module: string): Promise<Packages> {
  return buildGoProgram(module, "probe");
}

/** Builds a Go module's program; the folder holds it, under that name. */
export async function buildGoProgram(module: string, name: string): Promise<Packages> {
  const folder = join(cacheFolder(), "go");
  mkdirSync(folder, { recursive: true });
  try {
    await execute("go", ["mod", "download"], module);
  } catch (error) {
    return { missing: (error as Error).message };
  }
  // Not caught: a program that does not compile against the real module is a failure.
  await execute("go", ["build", "-o", join(folder, name), "."], module);
  return { folder };
}

function cacheFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return join(cache, "penstock-client-probes");
}

async function install(
  name: string,
  versions: string,
  installInto: (folder: string) => Promise<void>,
): Promise<Packages> {
  const digest = createHash("sha256").update(versions).digest("hex").slice(0, 12);
  const folder = join(cacheFolder(), `${name}-${digest}`);
  if (existsSync(folder)) return { folder };
  mkdirSync(cacheFolder(), { recursive: true });
  // Renamed once it is whole, so that an interrupted installation is not taken for one.
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    await installInto(unfinished);
    if (!existsSync(folder)) renameSync(unfinished, folder);
    return { folder };
  } catch (error) {
    return { missing: (error as Error).message };
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function execute(command: string, args: string[], cwd: string): Promise<void> {
  try {
    await run(command, args, { cwd, timeout: INSTALL_LIMIT_MS });
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT") throw new Error(`${command} is not installed`);
    const [reason] = (stderr ?? "").trim().split("\n");
    throw new Error(`${command} ${args.join(" ")}: ${reason}`);
  }
}
