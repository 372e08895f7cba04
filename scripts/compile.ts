/**
 * `deno task compile`: makes one executable, dist/penstock, that needs nothing beside it.
 *
 *     deno task compile [--with deno|bun] [--target TARGET] [--outfile PATH]
 *
 * `deno compile` first, where its runtime can be had: it downloads `denort`, unless DENORT_BIN
 * names one. Else `bun build --compile`, with `bun` from PATH or from npm. TARGET is in the words
 * of the compiler: `x86_64-unknown-linux-gnu` (Deno), `bun-linux-x64-musl` (Bun).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { DENO_FLAGS } from "../src/platform.ts";
import { PREPARED_CLUSTER } from "../src/storage/pglite/prepared_cluster.ts";
import manifest from "../deno.json" with { type: "json" };

const ROOT = resolve(import.meta.dirname!, "..");

/** The Bun that the sources are tested with, for where there is none on PATH. */
const BUN = "bun@1.4.5";

/**
 * How long the attempt with Deno may take unless it is asked for: without a network its download
 * can hang, and nobody should wait to learn that Bun will do.
 */
const DENO_ATTEMPT_MS = 20_000;

interface Compilation {
  readonly target: string | undefined;
  readonly outfile: string;
}

if (import.meta.main) process.exitCode = compile(process.argv.slice(2));

function compile(args: string[]): number {
  const { values } = parseArgs({
    args,
    options: {
      with: { type: "string" },
      target: { type: "string" },
      outfile: { type: "string" },
    },
  });
  const asked = values.with;
  if (asked !== undefined && asked !== "deno" && asked !== "bun") {
    console.error(`--with is deno or bun, not ${asked}`);
    return 2;
  }
  const { target } = values;
  const outfile = resolve(values.outfile ?? join(ROOT, "dist", executable("penstock", target)));
  mkdirSync(dirname(outfile), { recursive: true });
  const compilation = { target, outfile };
  for (const compiler of asked === undefined ? candidates(target) : [asked]) {
    rmSync(outfile, { force: true });
    const made = compiler === "deno"
      ? compileWithDeno(compilation, { patient: asked !== undefined })
      : compileWithBun(compilation);
    if (!made || !existsSync(outfile)) continue;
    const size = (statSync(outfile).size / 2 ** 20).toFixed(0);
    const name = relative(process.cwd(), outfile) || outfile;
    console.log(`${name}: Penstock ${manifest.version}, ${size} MiB, compiled by ${compiler}`);
    return 0;
  }
  console.error("no executable was made");
  return 1;
}

/** A target names its compiler. */
function candidates(target: string | undefined): ("deno" | "bun")[] {
  if (target === undefined) return ["deno", "bun"];
  return target.startsWith("bun-") ? ["bun"] : ["deno"];
}

function executable(name: string, target: string | undefined): string {
  const windows = target === undefined ? process.platform === "win32" : target.includes("windows");
  return windows ? `${name}.exe` : name;
}

/**
 * What `deno compile` is given is baked in, the permissions included: a server reads and writes
 * where it is told, listens where it is told, and locks its folder.
 *
 * PGlite's files go along as part of its npm package; the prepared cluster is named.
 */
function compileWithDeno(
  { target, outfile }: Compilation,
  { patient }: { patient: boolean },
): boolean {
  const flags = ["--allow-all", "--no-check", ...DENO_FLAGS];
  const include = ["--include", relative(ROOT, PREPARED_CLUSTER)];
  const args = ["compile", ...flags, ...include, "--output", outfile];
  if (target !== undefined) args.push("--target", target);
  const done = spawnSync(denoCommand(), [...args, "main.ts"], {
    cwd: ROOT,
    stdio: patient ? "inherit" : "ignore",
    ...(patient ? {} : { timeout: DENO_ATTEMPT_MS }),
  });
  if (done.status === 0) return true;
  if (!patient) console.log("deno compile: its runtime cannot be had here, so Bun it is");
  return false;
}

/** This script may itself be run by Bun. */
function denoCommand(): string {
  return process.versions.bun === undefined ? process.execPath : "deno";
}

function compileWithBun({ target, outfile }: Compilation): boolean {
  const args = [
    "build",
    "--compile",
    // Names stay whole: they are what a stack trace and an error's class say.
    "--minify-syntax",
    "--minify-whitespace",
    "--keep-names",
    // The working directory of a server is not its configuration.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--outfile",
    outfile,
  ];
  if (target !== undefined) args.push("--target", target);
  args.push(join("scripts", "binary_entry.ts"));
  const [command, ...before] = bunCommand();
  const done = spawnSync(command!, [...before, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  return done.status === 0;
}

function bunCommand(): string[] {
  const here = spawnSync("bun", ["--version"], { stdio: "ignore" });
  return here.status === 0 ? ["bun"] : ["npx", "-y", BUN];
}
