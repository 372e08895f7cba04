/**
 * `deno task conformance [combination…]`: the protocol's own conformance suite against each of
 * deno+postgres, deno+embedded, binary+postgres and binary+embedded, a fresh server each.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { startServer } from "../tests/support/server.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const LONG_POLL_MS = 500;

export const COMBINATIONS = [
  "deno+postgres",
  "deno+embedded",
  "binary+postgres",
  "binary+embedded",
] as const;
export type Combination = typeof COMBINATIONS[number];

export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** Runs the suite once; prints its failures and the line with its count. */
export async function conform(combination: Combination): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-conformance-"));
  try {
    const count = await withServer(combination, folder);
    const line = `${count.passed} passed, ${count.failed} failed`;
    console.log(`${combination.replace("+", " + ")}: ${line}`);
    return count;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withServer(combination: Combination, folder: string): Promise<Count> {
  const [runtime, storage] = combination.split("+") as ["deno" | "binary", string];
  const database = storage === "postgres" ? await freshDatabase() : undefined;
  try {
    const server = await startServer({
      runtime,
      database: database ?? { dataDir: join(folder, "data") },
      // The suite has its webhooks delivered to itself.
      args: ["--long-poll-timeout", `${LONG_POLL_MS}ms`, "--webhook-allow", "127.0.0.1"],
    });
    const count = await runSuite(server.url, join(folder, "report.json"), combination)
      .catch(async (error) => {
        await server.kill();
        throw error;
      });
    const code = await server.stop();
    if (code === 0) return count;
    console.log(`  ${combination}: the server ended with ${code}\n${server.stderr()}`);
    return { ...count, failed: count.failed + 1 };
  } catch (error) {
    console.log(`  ${combination}: ${error instanceof Error ? error.message : String(error)}`);
    return { passed: 0, failed: 1 };
  } finally {
    await database?.drop();
  }
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  testResults: {
    message: string;
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
  }[];
}

async function runSuite(url: string, report: string, combination: string): Promise<Count> {
  const child = spawn(process.execPath, [
    "run",
    "-A",
    "--quiet",
    "--node-modules-dir=none",
    `--lock=${join(ROOT, "tests/tools.lock")}`,
    "npm:vitest@4.1.12",
    "run",
    `--config=${join(ROOT, "tests/conformance/vitest.config.ts")}`,
    "--reporter=json",
    `--outputFile=${report}`,
  ], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      CONFORMANCE_URL: url,
      CONFORMANCE_LONG_POLL_MS: String(LONG_POLL_MS),
    },
  });
  await once(child, "exit");
  if (!existsSync(report)) {
    console.log(`  ${combination}: vitest left no report`);
    return { passed: 0, failed: 1 };
  }
  const result = JSON.parse(readFileSync(report, "utf8")) as Report;
  for (const file of result.testResults) {
    if (file.message !== "") console.log(`  ${combination}: ${file.message}`);
    for (const test of file.assertionResults.filter(({ status }) => status === "failed")) {
      console.log(`  ${combination}: ${test.fullName}\n    ${test.failureMessages[0] ?? ""}`);
    }
  }
  // A suite that cannot even be loaded fails without a failed test.
  const unloaded = result.numFailedTests === 0 ? result.numFailedTestSuites : 0;
  return { passed: result.numPassedTests, failed: result.numFailedTests + unloaded };
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !COMBINATIONS.includes(name as Combination));
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(", ")}; there are ${COMBINATIONS.join(", ")}`);
    process.exit(2);
  }
  const chosen = names.length > 0 ? names as Combination[] : COMBINATIONS;
  const given = process.env.PENSTOCK_TEST_DATABASE_URL;
  const needed = given === undefined && chosen.some((name) => name.endsWith("postgres"));
  const postgres = needed ? await startPostgres() : null;
  if (postgres !== null) process.env.PENSTOCK_TEST_DATABASE_URL = postgres.url;
  let failed = 0;
  try {
    for (const combination of chosen) {
      const count = await conform(combination);
      failed += count.failed + (count.passed === 0 ? 1 : 0);
    }
  } finally {
    await postgres?.stop();
  }
  process.exit(failed === 0 ? 0 : 1);
}
