/** A database that answers that it is out of memory or locks is not one that does not answer. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refusalOf, respondRefusal } from "../../src/http/error_responses.ts";
import { type Database, DatabaseUnavailable } from "../../src/storage/database.ts";
import { openPglite } from "../../src/storage/pglite/pglite.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";

async function failWith(database: Database, code: string): Promise<unknown> {
  const statement =
    `do $$ begin raise exception 'out of shared memory' using errcode = '${code}'; end $$`;
  return await database.query(statement).then(() => assert.fail("no error"), (error) => error);
}

async function check(database: Database): Promise<void> {
  const error = await failWith(database, "53200");
  assert.ok(error instanceof DatabaseUnavailable, "callers that try again still do");
  assert.match(error.message, /53200: out of shared memory/);
  const refusal = refusalOf(error);
  assert.deepEqual(refusal, { kind: "database_exhausted" });
  const response = respondRefusal(refusal!);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
  const body = await response.json();
  assert.equal(body.error.code, "DATABASE_EXHAUSTED");
  assert.doesNotMatch(body.error.message, /does not answer/);
  assert.deepEqual(refusalOf(await failWith(database, "57P01")), { kind: "database_unavailable" });
}

Deno.test("PostgreSQL that is out of memory or locks is exhausted", async () => {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 5000 });
  try {
    await check(database);
  } finally {
    await database.close();
    await drop();
  }
});

Deno.test("the embedded database that is out of memory or locks is exhausted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-exhausted-"));
  const database = await openPglite({ dataDir: join(folder, "data") });
  try {
    await check(database);
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
