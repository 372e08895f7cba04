/**
 * `deno task check`: format, lint and types.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { denoJob, type Job, ROOT } from "./test/job.ts";
import { runJobs } from "./test/run.ts";

/** What may import the packages of tests/tools.lock, and so is checked against that file. */
const TOOLS = [
  "tests/support/postgres_process.ts",
  "tests/conformance/suite.ts",
  "tests/conformance/vitest.config.ts",
];

/** The TypeScript files below a folder of the repository, as paths from its root. */
export function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .sort();
}

export function checks(): Job[] {
  const rest = ["scripts", "tests", "bench"]
    .filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap(sources)
    .filter((name) => !TOOLS.includes(name));
  const tools = ["--node-modules-dir=none", "--lock=tests/tools.lock", ...TOOLS];
  return [
    denoJob("format", ["fmt", "--check"]),
    denoJob("lint", ["lint"]),
    denoJob("types", ["check", "--quiet", "main.ts", ...rest]),
    denoJob("types of the inspector", ["run", "-A", "scripts/inspector.ts", "--check"]),
    denoJob("types of the tools", ["check", "--quiet", ...tools]),
  ];
}

if (import.meta.main) {
  const { failed } = await runJobs(checks());
  process.exit(failed === 0 ? 0 : 1);
}
