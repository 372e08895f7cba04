/**
 * `deno task test`: everything there is to check, and one plain last line, `N passed, N failed`.
 *
 * `deno task test offset` runs only the test files whose path contains "offset".
 */
import process from "node:process";
import { checks, sources } from "./check.ts";
import type { Combination } from "./conformance.ts";
import { denoJob, interruptAll, type Job, runDeno } from "./test/job.ts";
import { type Counts, runJobs } from "./test/run.ts";
import { testFile } from "./test/test_file.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { bunExecutable } from "../tests/support/server.ts";

const CONFORMANCE: readonly Combination[] = ["deno+postgres", "binary+embedded"];
const COMPILE = "compile";

function conformance(combination: Combination): Job {
  return {
    name: `conformance ${combination}`,
    company: "any",
    ...combination.startsWith("binary") ? { after: COMPILE } : {},
    async run() {
      const { succeeded, output } = await runDeno([
        "run",
        "-A",
        "scripts/conformance.ts",
        combination,
      ]);
      const count = /(\d+) passed, (\d+) failed/.exec(output);
      const failed = Number(count?.[2] ?? 0);
      return {
        passed: Number(count?.[1] ?? 0),
        failed: succeeded || failed > 0 ? failed : 1,
        skipped: 0,
        output,
      };
    },
  };
}

function everything(testFiles: readonly string[]): Job[] {
  return [
    ...checks(),
    denoJob(COMPILE, ["task", "compile"]),
    ...testFiles.map((path) => testFile(path, COMPILE)),
    ...CONFORMANCE.map(conformance),
  ];
}

function some(testFiles: readonly string[]): Job[] {
  return [
    denoJob("types of these files", ["check", "--quiet", ...testFiles]),
    ...testFiles.map((path) => testFile(path, undefined)),
  ];
}

/** Finds Bun once for all tests: else each would ask npx, and two that install disturb each other. */
async function provideBun(): Promise<void> {
  const bun = await bunExecutable().catch(() => undefined); // those that need it will say so
  if (bun !== undefined) process.env.PENSTOCK_TEST_BUN = bun;
}

/** Runs the jobs beside a PostgreSQL that all of them share. */
async function runWithPostgres(jobs: readonly Job[]): Promise<Counts> {
  const bun = provideBun();
  const postgres = await startPostgres();
  process.env.PENSTOCK_TEST_DATABASE_URL = postgres.url;
  await bun;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // Not once(): a Ctrl-C arrives twice, from the terminal and passed on by `deno task`.
    process.on(signal, () => {
      void interruptAll().then(() => postgres.stop()).finally(() => process.exit(130));
    });
  }
  return await runJobs(jobs).finally(() => postgres.stop());
}

const filter = process.argv[2];
const testFiles = sources("tests").filter((name) =>
  name.endsWith("_test.ts") && name.includes(filter ?? "")
);
if (testFiles.length === 0) {
  console.log(`no test file's path contains "${filter}"\n\n0 passed, 0 failed`);
  process.exit(1);
}
const counts = await runWithPostgres(
  filter === undefined ? everything(testFiles) : some(testFiles),
);
const { passed, failed, skipped } = counts;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
