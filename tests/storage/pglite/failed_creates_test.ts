/** A file that cannot be created (no inodes, no descriptors) fails what wanted it, and no more. */
import assert from "node:assert/strict";
import fs from "node:fs";
import type { Database } from "../../../src/storage/database.ts";
import { DatabaseUnavailable } from "../../../src/storage/database.ts";
import { eventually, withDatabase } from "./support.ts";

/** How long the database may need after the last fault. Milliseconds. */
const RECOVERY_MS = 8000;
/** Enough rows for the table to want a map of its free space, in a file of its own. */
const FILL =
  "insert into public.notes select g, decode(repeat('00', 500), 'hex') from generate_series";

type Operation = "writeFileSync" | "openSync";

/** Lets an operation of the host's file system fail for paths that match, until it is restored. */
function failing(operation: Operation, code: string, path: RegExp): { restore(): number } {
  const real = fs[operation] as (...given: unknown[]) => unknown;
  let failures = 0;
  const failsAt = (...given: unknown[]) => {
    if (!path.test(String(given[0]))) return real.apply(fs, given);
    failures++;
    throw Object.assign(new Error(`${code}: injected`), { code });
  };
  (fs as unknown as Record<Operation, unknown>)[operation] = failsAt;
  return {
    restore: () => {
      (fs as unknown as Record<Operation, unknown>)[operation] = real;
      return failures;
    },
  };
}

async function recover(database: Database): Promise<void> {
  const began = performance.now();
  await eventually(() => database.execute(`${FILL}(1, 2000) g`));
  assert.ok(performance.now() - began < RECOVERY_MS);
  assert.deepEqual(await database.query("select count(*) from public.notes"), [{ count: 2000 }]);
}

const FAULTS = [
  ["writeFileSync", "ENOSPC"],
  ["writeFileSync", "EMFILE"],
  ["openSync", "EMFILE"],
] as const;

for (const [operation, code] of FAULTS) {
  Deno.test(`${operation} fails with ${code}: a file that was not created can be created later`, () =>
    withDatabase(`failed-create-${operation}-${code}`, async (database) => {
      // Twice: what the first attempt leaves behind must not be in the way of the second.
      for (let round = 0; round < 2; round++) {
        const fault = failing(operation, code, /_fsm$/);
        try {
          await assert.rejects(database.execute(`${FILL}(1, 2000) g`), DatabaseUnavailable);
        } finally {
          assert.ok(fault.restore() > 0, "no file was to be created");
        }
      }
      await recover(database);
    }));
}

Deno.test("a table whose file could not be created leaves nothing in the way of another", () =>
  withDatabase("failed-create-table", async (database) => {
    const fault = failing("openSync", "EMFILE", /\/base\/\d+\/\d+$/);
    try {
      await assert.rejects(
        database.execute("create table public.more (number bigint)"),
        DatabaseUnavailable,
      );
    } finally {
      assert.ok(fault.restore() > 0);
    }
    await eventually(() => database.execute("create table public.more (number bigint)"));
    assert.deepEqual(await database.query("select * from public.more"), []);
  }));
