/** A database of an older Penstock, with data in it, is upgraded in place while its node goes on. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Database, type Parameter, textArray } from "../../src/storage/database.ts";
import { migrate, SCHEMA } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import type { AppendRequest } from "../../src/streams/append/decide.ts";
import { Streams } from "../../src/streams/streams.ts";
import { freshDatabase } from "../support/postgres.ts";

const FOLDER = join(import.meta.dirname ?? ".", "schemas");

/** Up to the step that the frozen definitions belong to. */
const OLD = {
  steps: SCHEMA.steps.filter(({ name }) => name < "0003"),
  definitions: [],
  version: "0.1.9",
};

/** What the older node sends, word for word; its connection keeps them prepared. */
const LOAD = "select * from penstock.load_states($1::text[])";
const COMMIT = `select changed_id, rebased, (stream).* from penstock.commit_append(
  $1::bigint, $2::bigint, $3::boolean, $4::boolean, $5::boolean, $6::text, $7::bytea)`;
const COMMIT_MANY = `select changed_id, rebased, (stream).* from penstock.commit_appends(
  $1::bigint[], '{}', $1::bigint[], $2::bigint[], $2::bigint[], '{f}', '{f}', '{null}', '{0}',
  array[length($3::bytea)], $3::bytea, '{}', '{}', '{}', $1::bigint[], '{p}', '{0}', $4::bigint[],
  '{f}')`;
const FORK = `select outcome, (stream).* from penstock.create_fork(
  $1, 'text/plain', null, null, false, $2::bigint, $3, $4::bigint, $4::bigint, 0, '{}', '{}', '{}',
  '{}', '')`;
const CREATE = `select created, (stream).* from penstock.create_streams(
  array[$1::text], '{text/plain}', '{null}', '{null}', '{}', '{}', '{}', '{}', '{}', '')`;

class OldNode {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  send(statement: string, parameters: readonly Parameter[]) {
    return this.#database.query<Record<string, unknown>>(statement, parameters);
  }

  async state(path: string): Promise<{ id: number; tail: number }> {
    const [row] = await this.send(LOAD, [textArray([path])]);
    return row as unknown as { id: number; tail: number };
  }

  async append(path: string, text: string): Promise<void> {
    const { id, tail } = await this.state(path);
    const changed = await this.send(COMMIT, [
      ...[id, tail, false, false, false, null],
      new TextEncoder().encode(text),
    ]);
    assert.deepEqual([...changed], []);
  }

  async produce(path: string, seq: number, text: string): Promise<void> {
    const { id, tail } = await this.state(path);
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(
      [...await this.send(COMMIT_MANY, [`{${id}}`, `{${tail}}`, bytes, `{${seq}}`])],
      [],
    );
  }

  async fork(path: string, source: string): Promise<void> {
    const { id, tail } = await this.state(source);
    const [row] = await this.send(FORK, [path, id, source, tail]);
    assert.equal(row?.outcome, "created");
  }
}

async function read(streams: Streams, path: string): Promise<string> {
  const stream = await streams.open(path);
  let text = "";
  for (let at = 0; at < stream.tail;) {
    const page = await streams.page(stream, at, 1 << 20);
    text += new TextDecoder().decode(page.bytes);
    at = page.end;
    page.release?.();
  }
  return text;
}

async function append(streams: Streams, path: string, parts: Partial<AppendRequest>) {
  const outcome = await streams.append(path, {
    ...{ contentType: "text/plain", body: new Uint8Array(0), closes: false, streamSeq: null },
    ...{ producer: null },
    ...parts,
  });
  assert(outcome.kind === "appended", outcome.kind);
  return outcome;
}

/**
 * Functions whose new arguments have defaults, and whose old signature is still there: the older node's
 * call would find that one, and its old body. A signature that no default covers may stay for that node.
 */
function shadowed(database: Database) {
  return database.query(`select p.proname::text from pg_proc p join pg_proc o
      on o.pronamespace = p.pronamespace and o.proname = p.proname and o.oid <> p.oid
    where p.pronamespace = 'penstock'::regnamespace and p.pronargdefaults > 0`);
}

Deno.test("a database of step 0002 is upgraded with its data, and its node goes on meanwhile", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  const session = await openPostgres({ url, connections: 1, timeoutMs: 10_000 });
  stack.defer(() => session.close());
  const old = new OldNode(session);

  await migrate(database, OLD);
  await database.execute(readFileSync(join(FOLDER, "0002_definitions.sql"), "utf8"));
  await old.send(CREATE, ["a"]);
  for (let n = 0; n < 100; n++) await old.append("a", `${n} `);
  for (let seq = 0; seq < 3; seq++) await old.produce("a", seq, `p${seq} `);
  await old.fork("fork", "a");
  await old.append("fork", "of the fork ");
  let a = Array.from({ length: 100 }, (_, n) => `${n} `).join("") + "p0 p1 p2 ";
  const fork = a + "of the fork ";

  const pending = SCHEMA.steps.slice(OLD.steps.length).map(({ name }) => name);
  assert.ok(pending.length >= 5);
  assert.deepEqual((await migrate(database)).applied, [...pending, "functions"]);
  assert.deepEqual([...await shadowed(database)], []);
  const streams = new Streams(database, { report: () => {} });
  assert.equal(await read(streams, "a"), a);
  assert.equal(await read(streams, "fork"), fork);
  const produce = (seq: number) =>
    append(streams, "a", {
      body: new TextEncoder().encode(`p${seq} `),
      producer: { id: "p", epoch: 0, seq },
    });
  assert.equal((await produce(2)).duplicate, true);
  assert.equal((await produce(3)).duplicate, false);
  a += "p3 ";

  // The older node finds the functions under the names and arguments that it knows. Its connection
  // has statements prepared whose results have more columns now: they are sent again.
  const large = "large".repeat(5000);
  await old.append("a", large);
  await old.produce("a", 4, "p4 ");
  await old.send(CREATE, ["b"]);
  await old.append("b", "new stream");
  await old.fork("fork of both", "a");
  a += `${large}p4 `;
  assert.equal((await produce(4)).duplicate, true);
  assert.equal(await read(streams, "a"), a);
  assert.equal(await read(streams, "fork of both"), a);
  assert.equal(await read(streams, "b"), "new stream");
});
