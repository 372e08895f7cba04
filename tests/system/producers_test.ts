/** Idempotent producers (section 5.2.1), on both databases. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import {
  elapse,
  expectError,
  expectStatus,
  KINDS,
  nextOffset,
  produce,
  type Produced,
  serverForThisFile,
} from "./support.ts";

const nodes = { postgres: serverForThisFile("postgres"), embedded: serverForThisFile("embedded") };
const LARGEST = "9007199254740991"; // 2^53-1

async function statusOf(answer: Promise<Response>): Promise<number> {
  const response = await answer;
  if (response.status >= 400) await expectError(response, response.status);
  else await expectStatus(response, response.status);
  return response.status;
}

/** Sends until it is taken: a gap that lasts longer than the server's patience is for the client. */
async function insist(url: string, claim: Produced, body: string): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const status = await statusOf(produce(url, claim, body));
    if (status !== 409) return status;
  }
  throw new Error(`seq ${claim.seq} was never taken`);
}

for (const kind of KINDS) {
  const node = nodes[kind];

  Deno.test(`${kind}: requests that arrive in reverse order are taken in theirs`, async () => {
    // How long the server waits for what is missing is its own affair, and this machine may stall:
    // one round of three has to do without the client's help.
    let wholeRounds = 0;
    for (let round = 0; round < 3; round++) {
      const url = await createStream(node.url);
      const seqs = [4, 3, 2, 1, 0];
      const answers: Promise<number>[] = [];
      for (const seq of seqs) {
        answers.push(statusOf(produce(url, { id: "p", epoch: 0, seq }, `${seq},`)));
        await elapse(8, "so that they are not one batch, which is sorted without any waiting");
      }
      const statuses = await Promise.all(answers);
      if (statuses.every((status) => status === 200)) wholeRounds++;
      for (const seq of seqs.toReversed()) await insist(url, { id: "p", epoch: 0, seq }, `${seq},`);
      assert.equal((await readAll(url)).text, "0,1,2,3,4,");
    }
    assert.ok(wholeRounds > 0, "no round was taken without retries");
  });

  Deno.test(`${kind}: many producers, pipelined and shuffled, are taken exactly once`, async () => {
    const url = await createStream(node.url);
    const claims = ["a", "b", "c", "d"].flatMap((id) =>
      Array.from({ length: 25 }, (_, seq) => ({ id, epoch: 3, seq }))
    );
    // A shuffle that is the same every time.
    claims.sort((x, y) =>
      (x.seq * 7 + x.id.charCodeAt(0)) % 25 - (y.seq * 7 + y.id.charCodeAt(0)) % 25
    );
    const taken = await Promise.all(
      claims.flatMap((claim) => [
        insist(url, claim, `${claim.id}${claim.seq},`),
        insist(url, claim, `${claim.id}${claim.seq},`),
      ]),
    );
    assert.equal(taken.filter((status) => status === 200).length, claims.length);
    const messages = (await readAll(url)).text.split(",").slice(0, -1);
    for (const id of ["a", "b", "c", "d"]) {
      const own = messages.filter((message) => message.startsWith(id));
      assert.deepEqual(own, Array.from({ length: 25 }, (_, seq) => `${id}${seq}`));
    }
  });

  Deno.test(`${kind}: a duplicate answers 204, the tail and the highest seq`, async () => {
    const url = await createStream(node.url);
    const first = { id: "p", epoch: 0, seq: 0 };
    const statuses = await Promise.all(
      Array.from({ length: 10 }, () => statusOf(produce(url, first, "once;"))),
    );
    assert.deepEqual(statuses.sort(), [200, ...Array(9).fill(204)]);
    await expectStatus(await produce(url, { ...first, seq: 1 }, "twice;"), 200);
    const again = await produce(url, first, "something else");
    assert.equal(again.headers.get("producer-epoch"), "0");
    assert.equal(again.headers.get("producer-seq"), "1");
    assert.equal(nextOffset(again), nextOffset(await fetch(url, { method: "HEAD" })));
    await expectStatus(again, 204);
    assert.equal((await readAll(url)).text, "once;twice;");
  });

  Deno.test(`${kind}: a newer epoch fences the older one off`, async () => {
    const url = await createStream(node.url);
    await expectStatus(await produce(url, { id: "p", epoch: 1, seq: 0 }, "a"), 200);
    await expectStatus(await produce(url, { id: "p", epoch: 4, seq: 0 }, "b"), 200);
    for (const seq of [0, 1, 99]) {
      const stale = await produce(url, { id: "p", epoch: 1, seq }, "zombie");
      assert.equal(stale.headers.get("producer-epoch"), "4");
      await expectError(stale, 403);
    }
    await expectError(await produce(url, { id: "p", epoch: 5, seq: 1 }, "no"), 400);
    await expectStatus(await produce(url, { id: "p", epoch: 4, seq: 1 }, "c"), 200);
    await expectStatus(await produce(url, { id: "other", epoch: 0, seq: 0 }, "d"), 200);
    assert.equal((await readAll(url)).text, "abcd");
  });

  Deno.test(`${kind}: a gap that nobody fills is 409 after a short wait, and changes nothing`, async () => {
    const url = await createStream(node.url);
    await expectStatus(await produce(url, { id: "p", epoch: 0, seq: 0 }, "a"), 200);
    const started = Date.now();
    const gap = await produce(url, { id: "p", epoch: 0, seq: 5 }, "f");
    assert.ok(Date.now() - started < 2000);
    assert.equal(gap.headers.get("producer-expected-seq"), "1");
    assert.equal(gap.headers.get("producer-received-seq"), "5");
    await expectError(gap, 409);
    await expectError(await produce(url, { id: "new", epoch: 0, seq: 1 }, "x"), 409);
    await expectStatus(await produce(url, { id: "p", epoch: 0, seq: 1 }, "b"), 200);
    assert.equal((await readAll(url)).text, "ab");
  });

  Deno.test(`${kind}: a producer closes, and its close is answered again as it was`, async () => {
    for (const body of ["last", ""]) {
      const url = await createStream(node.url);
      const closing = { id: "p", epoch: 0, seq: 1 };
      const closed = { "stream-closed": "true" };
      await expectStatus(await produce(url, { ...closing, seq: 0 }, "first "), 200);
      const answers = await Promise.all([0, 1, 2].map(() => produce(url, closing, body, closed)));
      for (const answer of answers) assert.equal(answer.headers.get("stream-closed"), "true");
      const statuses = await Promise.all(
        answers.map((answer) => statusOf(Promise.resolve(answer))),
      );
      assert.deepEqual(statuses.sort(), body === "" ? [204, 204, 204] : [200, 204, 204]);
      for (const claim of [{ ...closing, seq: 2 }, { ...closing, id: "other", seq: 0 }]) {
        const late = await produce(url, claim, "late");
        assert.equal(late.headers.get("stream-closed"), "true");
        nextOffset(late);
        await expectError(late, 409);
      }
      const read = await readAll(url);
      assert.deepEqual([read.text, read.closed], [`first ${body}`, true]);
    }
  });

  Deno.test(`${kind}: a refused append uses up no sequence number`, async () => {
    const url = await createStream(node.url, undefined, { contentType: "application/json" });
    const json = { "content-type": "application/json" };
    const claim = { id: "p", epoch: 0, seq: 0 };
    await expectError(await produce(url, claim, "{", json), 400);
    await expectError(await produce(url, claim, "1"), 409);
    await append(url, "0", { contentType: "application/json", headers: { "stream-seq": "b" } });
    await expectError(await produce(url, claim, "1", { ...json, "stream-seq": "a" }), 409);
    await expectStatus(await produce(url, claim, "1", { ...json, "stream-seq": "c" }), 200);
    assert.equal((await readAll(url)).text, "[0,1]");
  });

  Deno.test(`${kind}: epochs and seqs up to 2^53-1, exactly`, async () => {
    const url = await createStream(node.url);
    const answer = await produce(url, { id: "p", epoch: LARGEST, seq: 0 }, "a");
    assert.equal(answer.headers.get("producer-epoch"), LARGEST);
    await expectStatus(answer, 200);
    const stale = await produce(url, { id: "p", epoch: "9007199254740990", seq: 0 }, "b");
    assert.equal(stale.headers.get("producer-epoch"), LARGEST);
    await expectError(stale, 403);
    const gap = await produce(url, { id: "p", epoch: LARGEST, seq: LARGEST }, "c");
    assert.equal(gap.headers.get("producer-received-seq"), LARGEST);
    await expectError(gap, 409);
    for (
      const wrong of ["9007199254740992", "-1", "1.5", "1e3", "", "0x1", "99999999999999999999"]
    ) {
      await expectError(await produce(url, { id: "p", epoch: wrong, seq: 0 }, "d"), 400);
      await expectError(await produce(url, { id: "p", epoch: LARGEST, seq: wrong }, "d"), 400);
    }
    assert.equal((await readAll(url)).text, "a");
  });
}

Deno.test("postgres: the last sequence number there can be is taken, once", async () => {
  const url = await createStream(nodes.postgres.url);
  const path = new URL(url).pathname.slice("/v1/stream/".length);
  const sql = postgres(nodes.postgres.databaseUrl, { max: 1 });
  // 2^53-2 appends would take a while.
  await sql`insert into penstock.producers (stream_id, producer_id, epoch, last_seq)
    select id, 'p', 7, 9007199254740990 from penstock.streams where path = ${path}`;
  await sql.end();
  const last = { id: "p", epoch: 7, seq: LARGEST };
  for (const status of [200, 204]) {
    const answer = await produce(url, last, "the end");
    assert.equal(answer.headers.get("producer-seq"), LARGEST);
    await expectStatus(answer, status);
  }
  assert.equal((await readAll(url)).text, "the end");
});

Deno.test("producer headers come together, and an id is not empty", async () => {
  const url = await createStream(nodes.postgres.url);
  const all = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };
  for (const missing of Object.keys(all)) {
    const headers = { "content-type": "text/plain", ...all, [missing]: undefined };
    const some = Object.entries(headers).filter(([, value]) => value !== undefined);
    const response = await fetch(url, {
      method: "POST",
      headers: some as [string, string][],
      body: "x",
    });
    await expectError(response, 400);
  }
  await expectError(await produce(url, { id: "", epoch: 0, seq: 0 }, "x"), 400);
  assert.equal((await readAll(url)).text, "");
});
