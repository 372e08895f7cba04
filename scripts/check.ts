/**
 * `deno task check`: format, lint and types.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Count } from "./conformance.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");

/** What may import the packages of tests/tools.lock, and so is checked against that file. */
const TOOLS = [
  "tests/support/postgres_process.ts",
  "tests/conformance/suite.ts",
  "tests/conformance/vitest.config.ts",
];

/** The Deno processes under way, for whoever must end early. */
export const running = new Set<ChildProcess>();

/** Runs Deno with these arguments, its output passed on as it comes. */
export async function deno(args: readonly string[]): Promise<boolean> {
  console.log(`\n$ deno ${args.join(" ")}`);
  const child = spawn(process.execPath, [...args], { cwd: ROOT, stdio: "inherit" });
  running.add(child);
  const [code] = await once(child, "exit") as [number | null];
  running.delete(child);
  return code === 0;
}

/** One check, which counts as one test. */
export async function step(args: readonly string[]): Promise<Count> {
  const passed = await deno(args);
  if (!passed) console.log(`FAILED: deno ${args.join(" ")}`);
  return passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** The TypeScript files below a folder of the repository, as paths from its root. */
export function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .sort();
}

export async function checks(): Promise<Count[]> {
  const rest = ["scripts", "tests", "bench"]
    .filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap(sources)
    .filter((name) => !TOOLS.includes(name));
  return [
    await step(["fmt", "--check"]),
    await step(["lint"]),
    await step(["check", "main.ts", ...rest]),
    await step(["check", "--node-modules-dir=none", "--lock=tests/tools.lock", ...TOOLS]),
  ];
}

if (import.meta.main) {
  const failed = (await checks()).reduce((sum, count) => sum + count.failed, 0);
  process.exit(failed === 0 ? 0 : 1);
}
