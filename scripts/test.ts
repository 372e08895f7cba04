/**
 * `deno task test`: everything there is to check, and one plain last line, `N passed, N failed`.
 *
 * `deno task test offset` runs only the test files whose path contains "offset".
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { checks, deno, running, sources, step } from "./check.ts";
import { type Combination, conform, type Count } from "./conformance.ts";
import { startPostgres } from "../tests/support/postgres.ts";

const CONFORMANCE: readonly Combination[] = ["deno+postgres", "binary+embedded"];

/** Counts from the report rather than from the output, which is for people. */
async function unitTests(files: readonly string[]): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-tests-"));
  const report = join(folder, "junit.xml");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove); // on Ctrl-C nothing below is reached
  try {
    const succeeded = await deno(["test", "-A", `--junit-path=${report}`, ...files]);
    const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
    const count = (pattern: RegExp) => (xml.match(pattern) ?? []).length;
    const failed = count(/<(failure|error)\b/g);
    const passed = count(/<testcase\b/g) - failed - count(/<skipped\b/g);
    // A file that does not load, or a leak, fails the run without failing a test.
    return { passed, failed: succeeded || failed > 0 ? failed : 1 };
  } finally {
    remove();
  }
}

async function main(filter: string | undefined): Promise<Count[]> {
  const testFiles = sources("tests").filter((name) =>
    name.endsWith("_test.ts") && name.includes(filter ?? "")
  );
  const counts: Count[] = [];
  if (filter === undefined) {
    // Before the tests, some of which run the binary.
    counts.push(...await checks(), await step(["task", "compile"]));
  }
  if (testFiles.length > 0) counts.push(await unitTests(testFiles));
  if (filter === undefined) {
    console.log(`\nconformance: ${CONFORMANCE.join(", ")}`);
    counts.push(...await Promise.all(CONFORMANCE.map(conform)));
  }
  return counts;
}

const postgres = await startPostgres();
process.env.PENSTOCK_TEST_DATABASE_URL = postgres.url;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Not once(): a Ctrl-C arrives twice, from the terminal and passed on by `deno task`.
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    void postgres.stop().finally(() => process.exit(130));
  });
}
const counts = await main(process.argv[2]).finally(() => postgres.stop());
const passed = counts.reduce((sum, count) => sum + count.passed, 0);
const failed = counts.reduce((sum, count) => sum + count.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
