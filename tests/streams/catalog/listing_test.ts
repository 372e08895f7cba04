/** Pages of the listing where there are more streams than one page examines. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Refused } from "../../../src/errors.ts";
import { type Glob, matcherOf, matchesPath, parseGlob } from "../../../src/protocol/glob.ts";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { Catalog } from "../../../src/streams/catalog/catalog.ts";
import { pathFilter } from "../../../src/streams/catalog/path_ranges.ts";
import { freshDatabase } from "../../support/postgres.ts";

const STREAMS = 25_000;
/** Of these, and of `z/other/*`, some streams match. */
const MATCHING = ["m/other/1", "z/other/1", "z/other/2"];

async function withStreams(run: (database: Database) => Promise<void>): Promise<void> {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 30_000 });
  try {
    await migrate(database);
    await database.execute(`insert into penstock.streams (path, content_type)
      select 'secret-' || n % 7 || '/' || md5(n::text), 'text/plain'
      from generate_series(1, ${STREAMS}) n`);
    for (const path of MATCHING) {
      await database.query(
        "insert into penstock.streams (path, content_type) values ($1, 'text/plain')",
        [path],
      );
    }
    await database.execute(`insert into penstock.segments (stream_id, position, data)
      select id, 0, '\\x00' from penstock.streams`);
    await database.execute("vacuum analyze penstock.streams");
    await database.execute("vacuum analyze penstock.segments");
    await run(database);
  } finally {
    await database.close();
    await drop();
  }
}

const filterOf = (pattern: string) => {
  const glob = parseGlob(pattern) as Glob;
  const matcher = matcherOf(glob);
  const matches = (path: string) => matchesPath(matcher, path.split("/"));
  return pathFilter("", { globs: [glob], matches });
};

Deno.test("a page examines a bounded number of paths, and tells none that is not the reader's", () =>
  withStreams(async (database) => {
    const catalog = new Catalog({ database, rules: [], followers: () => 0 });
    // Another node of the same database.
    const other = new Catalog({ database, rules: [], followers: () => 0 });
    const filter = filterOf("*/other/*");
    const found: string[] = [];
    const cursors: string[] = [];
    let pages = 0;
    for (let after: string | null = ""; after !== null; pages++) {
      const page = await [catalog, other][pages % 2]!
        .list({ filter, after, limit: 2, labels: null });
      found.push(...page.streams.map(({ path }) => path));
      after = page.next_after;
      if (after !== null && !MATCHING.includes(after)) cursors.push(after);
    }
    assert.deepEqual(found, MATCHING);
    // More of them where matching takes long, on a busy machine.
    assert.ok(pages >= 3 && pages <= 60, `${pages} pages`);
    assert.ok(cursors.length >= 2);
    for (const cursor of cursors) {
      assert.match(cursor, /^__ds\/[\w-]+$/);
      assert.equal(cursor.length, cursors[0]!.length, "its length tells nothing");
      assert.ok(!Buffer.from(cursor.slice(5), "base64url").includes("secret"));
    }
    const { next_after: again } = await catalog.list({ filter, after: "", limit: 2, labels: null });
    assert.notEqual(again, cursors[0], "the same place is another text each time");

    const middle = cursors[0]!.length >> 1;
    const swapped = cursors[0]![middle] === "A" ? "B" : "A";
    for (
      const wrong of [
        "__ds/",
        "__ds/AAAA",
        cursors[0]!.slice(0, middle) + swapped + cursors[0]!.slice(middle + 1),
      ]
    ) {
      await assert.rejects(
        catalog.list({ filter, after: wrong, limit: 2, labels: null }),
        (error) => error instanceof Refused && error.refusal.kind === "invalid",
      );
    }
    // By the index of labels one page says that no stream has these.
    const labelled = { filter: pathFilter("", null), labels: { none: "x" }, limit: 2 };
    const none = await catalog.list({ ...labelled, after: "" });
    assert.deepEqual(none, { streams: [], next_after: null });
  }));

Deno.test("a page reads each of its streams once, and paths that match nothing by the index", () =>
  withStreams(async (database) => {
    const buffersOf = async (call: string) => {
      const [row] = await database.query<Record<string, unknown>>(
        `explain (analyze, buffers, format json) select * from penstock.${call}`,
      );
      const plan = Object.values(row!)[0];
      const [{ Plan }] = typeof plan === "string" ? JSON.parse(plan) : plan as [
        { Plan: Record<string, number> },
      ];
      return Plan["Shared Hit Blocks"]! + Plan["Shared Read Blocks"]!;
    };
    const all = "array[''], array['~'], 's'";
    await buffersOf(`list_streams(${all}, null, 1001, 10000)`);
    const page = await buffersOf(`list_streams(${all}, null, 1001, 10000)`);
    // A row of the stream; three pages of an index and one of the table for its newest segment.
    assert.ok(page < 1001 * 6, `${page} buffers for 1001 streams`);
    await buffersOf(`list_paths(${all}, 10000)`);
    const none = await buffersOf(`list_paths(${all}, 10000)`);
    assert.ok(none < 1000, `${none} buffers for 10000 paths`);
  }));
