/** Producers of one stream: how many it may have, and when idle ones expire. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import {
  eventually,
  expectError,
  expectStatus,
  freshStorage,
  KINDS,
  produce,
  serverForThisFile,
} from "./support.ts";

const nodes = { postgres: serverForThisFile("postgres"), embedded: serverForThisFile("embedded") };
/** What an audit left on one stream before there was a limit. */
const AUDITED = 43_165;
/** `--max-producers-per-stream` unless it is given. */
const LIMIT = 10_000;
const LANES = 128;

/** The first append of a new producer: its status. */
async function arrive(url: string, id: string): Promise<number> {
  const response = await produce(url, { id, epoch: 0, seq: 0 }, "x");
  if (response.status === 400) {
    assert.equal(await expectError(response, 400), "PRODUCER_LIMIT_REACHED");
  } else await expectStatus(response, 200);
  return response.status;
}

for (const kind of KINDS) {
  // One database gets all of them, for the test's length.
  const arriving = kind === "postgres" ? AUDITED : LIMIT + 100;

  Deno.test(`${kind}: of ${arriving} producers of one stream, ${LIMIT} are taken`, async () => {
    const url = await createStream(nodes[kind].url);
    let next = 0;
    let taken = 0;
    await Promise.all(Array.from({ length: LANES }, async () => {
      while (next < arriving) if (await arrive(url, `p${next++}`) === 200) taken++;
    }));
    assert.equal(taken, LIMIT);
    assert.equal((await readAll(url)).text, "x".repeat(LIMIT));
    // Those that are known go on, and so does whoever needs no producer.
    await expectStatus(await produce(url, { id: "p0", epoch: 0, seq: 1 }, "y"), 200);
    await expectStatus(await produce(url, { id: "p0", epoch: 1, seq: 0 }, "y"), 200);
    await append(url, "z");
    // Another stream has producers of its own.
    assert.equal(await arrive(await createStream(nodes[kind].url), "p0"), 200);
  });
}

Deno.test("producers are counted in the database: a restart gives no new ones", async () => {
  const storage = await freshStorage("postgres");
  const options = { database: storage.database, args: ["--max-producers-per-stream", "3"] };
  let node = await startServer(options);
  try {
    const url = await createStream(node.url);
    for (const id of ["a", "b", "c"]) assert.equal(await arrive(url, id), 200);
    // Rows that later ones supersede are not producers.
    for (let seq = 1; seq < 6; seq++) {
      await expectStatus(await produce(url, { id: "a", epoch: 0, seq }, "x"), 200);
    }
    assert.equal(await arrive(url, "d"), 400);
    await node.kill();
    node = await startServer(options);
    const again = node.url + new URL(url).pathname;
    assert.equal(await arrive(again, "d"), 400);
    await expectStatus(await produce(again, { id: "c", epoch: 0, seq: 1 }, "x"), 200);
  } finally {
    await node.kill();
    await storage.remove();
  }
});

Deno.test("idle producers expire, their rows go, and their places are free", async () => {
  const storage = await freshStorage("postgres");
  assert.ok("url" in storage.database);
  const sql = postgres(storage.database.url, { onnotice: () => {}, max: 1 });
  const node = await startServer({
    database: storage.database,
    args: ["--max-producers-per-stream", "2", "--producer-idle-expiry", "3s"],
  });
  try {
    const url = await createStream(node.url);
    assert.equal(await arrive(url, "idle"), 200);
    assert.equal(await arrive(url, "busy"), 200);
    assert.equal(await arrive(url, "late"), 400);
    let seq = 0;
    await eventually(30_000, "the idle producer's place", async () => {
      await expectStatus(await produce(url, { id: "busy", epoch: 0, seq: ++seq }, "x"), 200);
      return await arrive(url, "late") === 200 || undefined;
    });
    const rows = await sql`select distinct producer_id as id from penstock.producers order by 1`;
    assert.deepEqual(rows.map(({ id }) => id), ["busy", "late"]);
    // What is not idle is never forgotten: the same number is a duplicate.
    await expectStatus(await produce(url, { id: "busy", epoch: 0, seq }, "x"), 204);
  } finally {
    await node.kill();
    await sql.end();
    await storage.remove();
  }
});
