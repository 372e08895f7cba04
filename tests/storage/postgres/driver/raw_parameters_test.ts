/** `RawParameters`: large bytes reach PostgreSQL as they are, and only in their own place. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import type { Database } from "../../../../src/storage/database.ts";
import { openPostgres } from "../../../../src/storage/postgres/postgres.ts";
import { RawParameters } from "../../../../src/storage/postgres/driver/raw_parameters.ts";
import { freshDatabase } from "../../../support/postgres.ts";

async function withDatabase(test: (database: Database) => Promise<void>, query = "") {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url: url + query, connections: 2, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  await test(database);
}

const SELECT = `select $1::bytea as one, $2::text as text, $3::bigint as number, $4::bytea as other,
  $5::boolean as nothing`;

for (const query of ["", "?prepare=false"]) {
  Deno.test(`bytes of any length come back as they were sent, among others ${query}`, () =>
    withDatabase(async (database) => {
      const bytes = fc.integer({ min: 0, max: 200_000 }).map((length) =>
        new Uint8Array(randomBytes(length))
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 9 }),
          async (all) => {
            // Together: several statements follow each other down one connection.
            const rows = await Promise.all(
              all.map(([one, other], number) =>
                database.query(SELECT, [one, "x".repeat(number), number, other, null])
              ),
            );
            for (const [number, [row]] of rows.entries()) {
              const [one, other] = all[number]!;
              const text = "x".repeat(number);
              assert.deepEqual({ ...row as object }, { one, text, number, other, nothing: null });
            }
          },
        ),
        { numRuns: 30 },
      );
    }, query));
}

Deno.test("a statement with large bytes that fails rejects, and its tokens are dropped", () =>
  withDatabase(async (database) => {
    const bytes = new Uint8Array(100_000);
    const failing = database.query("select 1 / length($1::bytea) / 0 as none", [bytes]);
    await assert.rejects(failing, /division by zero/);
    const [row] = await database.query<{ length: number }>("select length($1::bytea)", [bytes]);
    assert.equal(row!.length, 100_000);
  }));

Deno.test("a token that is not replaced is refused by PostgreSQL", () =>
  withDatabase(async (database) => {
    let given: readonly unknown[] = [];
    const typed = (token: string) => token;
    await new RawParameters().sending([new Uint8Array(100_000)], {
      typed,
      send: (parameters) => {
        given = parameters;
        return Promise.resolve();
      },
    });
    const sent = database.query("select $1::text::bytea as stored", [String(given[0])]);
    await assert.rejects(sent, /invalid hexadecimal/);
  }));

Deno.test("bytes that are not the token of a statement in flight are sent unchanged", async () => {
  const raw = new RawParameters();
  const query = new TextEncoder().encode("Q\0\0\0\x0bselect\0");
  assert.equal(raw.replaced(query), null);
  await raw.sending([new Uint8Array(100_000)], {
    typed: (token) => token,
    send: ([token]) => {
      // In a text that holds more than the token, and in a message that is no Bind.
      const text = new TextEncoder().encode(`Q\0\0\0\0${token}\0`);
      new DataView(text.buffer).setUint32(1, text.length - 1);
      assert.equal(raw.replaced(text), null);
      return Promise.resolve();
    },
  });
});
