/**
 * `deno task versions [--no-torture] [14 15 …]`: the conformance suite and a short torture on every
 * PostgreSQL that Penstock supports, and that an older one is refused with a sentence.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { openPostgres } from "../src/storage/postgres/postgres.ts";
import { startOwnPostgres } from "../tests/support/postgres.ts";
import { BUILDS, type Major } from "../tests/support/postgres_process.ts";
import { conform } from "./conformance.ts";

const TOO_OLD: Major = "13";
const TORTURE_MINUTES = "0.25";

const args = process.argv.slice(2);
const withTorture = !args.includes("--no-torture");
const named = args.filter((arg) => !arg.startsWith("--"));
const unknown = named.filter((name) => !(name in BUILDS));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(", ")}; there are ${Object.keys(BUILDS).join(", ")}`);
  process.exit(2);
}
const majors = (named.length > 0 ? named : Object.keys(BUILDS)) as Major[];

let failed = false;
for (const major of majors) {
  console.log(`PostgreSQL ${BUILDS[major].replace(/\.0-.*/, "")}`);
  if (!await (major === TOO_OLD ? isRefused(major) : isSound(major))) failed = true;
}
process.exit(failed ? 1 : 0);

async function isSound(major: Major): Promise<boolean> {
  const environment = { PENSTOCK_TEST_POSTGRES: major };
  const postgres = await startOwnPostgres(environment);
  let conforms: boolean;
  try {
    process.env.PENSTOCK_TEST_DATABASE_URL = postgres.url;
    const { passed, failed } = await conform("deno+postgres");
    conforms = passed > 0 && failed === 0;
  } finally {
    delete process.env.PENSTOCK_TEST_DATABASE_URL;
    await postgres.stop();
  }
  return conforms && (!withTorture || survives(environment));
}

function survives(environment: Readonly<Record<string, string>>): boolean {
  const torture = ["run", "-A", "tests/torture/run.ts", "--topology", "nodes"];
  const { status } = spawnSync(process.execPath, [...torture, "--minutes", TORTURE_MINUTES], {
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  return status === 0;
}

async function isRefused(major: Major): Promise<boolean> {
  const postgres = await startOwnPostgres({ PENSTOCK_TEST_POSTGRES: major });
  try {
    const database = await openPostgres({ url: postgres.url, connections: 2, timeoutMs: 5000 });
    await database.close();
    console.log("it is not refused");
    return false;
  } catch (error) {
    console.log(`refused: ${(error as Error).message}`);
    return /is too old: Penstock needs 14 or newer/.test((error as Error).message);
  } finally {
    await postgres.stop();
  }
}
