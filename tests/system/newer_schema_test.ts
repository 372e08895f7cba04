/**
 * A newer Penstock migrates the database of a running node: the node goes on with what it has
 * prepared, and one of the older version that starts now is told why it does not.
 */
import assert from "node:assert/strict";
import { migrate, SCHEMA, type Schema } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { createStream } from "../support/http.ts";
import { freshDatabase } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";

/** A column more in each hot table, in the view of states, and so in what the functions return. */
const NEWER: Schema = {
  steps: [...SCHEMA.steps, {
    name: "9001_colour",
    sql: `alter table penstock.streams add column colour text not null default 'blue';

alter table penstock.segments add column colour text;

alter table penstock.producers add column colour text;
`,
  }],
  definitions: SCHEMA.definitions.map((definition) =>
    definition.includes("view penstock.stream_states as")
      ? definition.replace(
        "\nfrom penstock.streams s\n",
        ",\n  s.colour\nfrom penstock.streams s\n",
      )
      : definition
  ),
  version: "99.0.0",
};

const appendTo = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", headers: { "content-type": "text/plain", ...headers }, body });

Deno.test("a running node goes on when a newer one migrates, and the next of its version is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const database = await freshDatabase();
  stack.defer(database.drop);
  const node = await startServer({ database });
  stack.defer(() => node.kill());
  const url = await createStream(node.url, "a", { body: "one " });
  const producer = (seq: number) => ({
    ...{ "producer-id": "p", "producer-epoch": "0", "producer-seq": `${seq}` },
  });
  // Every connection of the node has prepared what it sends.
  await Promise.all(Array.from({ length: 40 }, async (_, n) => {
    const other = await createStream(node.url, `other/${n}`, { body: "-" });
    assert.equal((await appendTo(other, "x")).status, 204);
    assert.equal(await (await fetch(other)).text(), "-x");
  }));
  assert.equal((await appendTo(url, "two ", producer(0))).status, 200);
  const following = fetch(`${url}?offset=now&live=long-poll`);

  const newer = await openPostgres({ url: database.url, connections: 1, timeoutMs: 10_000 });
  stack.defer(() => newer.close());
  assert.deepEqual((await migrate(newer, NEWER)).applied, ["9001_colour", "functions"]);
  const [row] = await newer.query<{ colour: string }>(
    "select colour from penstock.load_states('{a}')",
  );
  assert.equal(row?.colour, "blue");

  assert.equal((await appendTo(url, "three ", producer(1))).status, 200);
  assert.equal(await (await following).text(), "three ");
  assert.equal((await appendTo(url, "three ", producer(1))).status, 204, "a duplicate");
  await Promise.all(Array.from({ length: 40 }, async (_, n) => {
    const other = `${node.url}/v1/stream/other/${n}`;
    assert.equal((await appendTo(other, "y")).status, 204);
    assert.equal(await (await fetch(other)).text(), "-xy");
    const created = await createStream(node.url, `later/${n}`, { body: "z" });
    assert.equal(await (await fetch(created)).text(), "z");
  }));
  const fork = await fetch(`${node.url}/v1/stream/fork`, {
    method: "PUT",
    headers: { "content-type": "text/plain", "stream-forked-from": "/v1/stream/a" },
  });
  assert.equal(fork.status, 201);
  assert.equal(await (await fetch(`${node.url}/v1/stream/fork`)).text(), "one two three ");
  assert.equal((await fetch(url, { method: "DELETE" })).status, 204);

  await assert.rejects(
    startServer({ database }),
    /migration 9001_colour, which this Penstock does not know.*Run that version or newer/,
  );
});
