/** Two nodes that write one stream: unconditional appends are rebased onto the tail there is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import type { AppendRequest } from "../../../src/streams/append/decide.ts";
import type { AppendOutcome } from "../../../src/streams/append/waiting_append.ts";
import { Streams } from "../../../src/streams/streams.ts";
import { counted, type Counts } from "../../support/counted_database.ts";
import { freshDatabase } from "../../support/postgres.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

interface Node {
  readonly streams: Streams;
  readonly counts: Counts;
}

async function withNodes(test: (one: Node, other: Node) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const node = async (): Promise<Node> => {
    const opened = await openPostgres({ url, connections: 3, timeoutMs: 10_000 });
    stack.defer(() => opened.close());
    await migrate(opened);
    const { database, counts } = counted(opened);
    return { streams: new Streams(database, { report: () => {} }), counts };
  };
  await test(await node(), await node());
}

async function create(streams: Streams, path: string): Promise<void> {
  await streams.create({
    ...{ path, contentType: "text/plain", ttlSeconds: null, expiresAtMs: null, closed: false },
    ...{ body: new Uint8Array(0), fork: null },
  });
}

function append(
  { streams }: Node,
  body: string,
  parts: Partial<AppendRequest> = {},
  path = "s",
): Promise<AppendOutcome> {
  return streams.append(path, {
    ...{ contentType: "text/plain", body: bytesOf(body), closes: false, streamSeq: null },
    ...{ producer: null },
    ...parts,
  });
}

async function appended(...given: Parameters<typeof append>): Promise<number> {
  const outcome = await append(...given);
  assert(outcome.kind === "appended", outcome.kind);
  return outcome.tail;
}

async function textOf({ streams }: Node, path = "s"): Promise<string> {
  const stream = await streams.open(path);
  const page = await streams.page(stream, 0, 1 << 20);
  assert.equal(page.end, stream.tail);
  return new TextDecoder().decode(page.bytes);
}

Deno.test("appends of two nodes", async (t) => {
  await withNodes(async (one, other) => {
    await t.step("in turn cost one statement each", async () => {
      await create(one.streams, "s");
      await appended(one, "a");
      await appended(other, "b");
      for (const { counts } of [one, other]) counts.statements.clear();
      const tails = [];
      for (let n = 0; n < 5; n++) {
        tails.push(await appended(one, "one;"), await appended(other, "other;"));
      }
      assert.deepEqual(tails.slice(0, 4), [6, 12, 16, 22]);
      for (const { counts } of [one, other]) {
        assert.deepEqual([...counts.statements.keys()].filter((name) => name !== "pg_notify"), [
          "commit_append",
        ]);
        assert.equal(counts.statements.get("commit_append"), 5);
      }
      for (const node of [one, other]) {
        assert.equal(await textOf(node), "ab" + "one;other;".repeat(5));
      }
    });

    await t.step("leave the highest Stream-Seq as it is", async () => {
      await create(one.streams, "seq");
      await appended(other, "x", { streamSeq: "1" }, "seq");
      await appended(one, "x", { streamSeq: "5" }, "seq");
      await appended(other, "y", {}, "seq");
      const { kind } = await append(one, "z", { streamSeq: "4" }, "seq");
      assert.equal(kind, "sequence_regression");
      await appended(other, "z", { streamSeq: "6" }, "seq");
      assert.equal(await textOf(one, "seq"), "xxyz");
    });

    await t.step("find a stream closed that another node has closed", async () => {
      await create(one.streams, "closed");
      await appended(other, "x", {}, "closed");
      await appended(one, "y", { closes: true }, "closed");
      assert.equal((await append(other, "z", {}, "closed")).kind, "closed");
      assert.equal(await textOf(other, "closed"), "xy");
    });

    await t.step("know a producer's appends of the other node", async () => {
      await create(one.streams, "p");
      const by = (seq: number) => ({ producer: { id: "p", epoch: 0, seq } });
      await appended(other, "0", by(0), "p");
      await appended(one, "1", by(1), "p");
      await appended(one, "2", by(2), "p");
      // Rebased behind them: what this node knew of the producer is not so any longer.
      await appended(other, "x", {}, "p");
      const again = await append(other, "1", by(1), "p");
      assert(again.kind === "appended" && again.duplicate);
      await appended(other, "3", by(3), "p");
      assert.equal(await textOf(one, "p"), "012x3");
    });

    await t.step("have each byte where its answer says, in any order and any company", async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              node: fc.constantFrom(one, other),
              body: fc.string({ minLength: 1, maxLength: 9, unit: "grapheme-ascii" }),
              awaited: fc.boolean(),
              sequenced: fc.boolean(),
            }),
            { minLength: 1, maxLength: 40 },
          ),
          async (writes) => {
            const path = `any/${run++}`;
            await create(one.streams, path);
            const answers: Promise<void>[] = [];
            const placed: [number, string][] = [];
            for (const [index, { node, body, awaited, sequenced }] of writes.entries()) {
              const streamSeq = sequenced ? String(index).padStart(4, "0") : null;
              const answer = append(node, body, { streamSeq }, path).then((outcome) => {
                if (outcome.kind === "appended") placed.push([outcome.tail - body.length, body]);
                else assert.equal(outcome.kind, "sequence_regression");
              });
              if (awaited) await answer;
              else answers.push(answer);
            }
            await Promise.all(answers);
            placed.sort(([a], [b]) => a - b);
            let tail = 0;
            for (const [start, body] of placed) {
              assert.equal(start, tail);
              tail += body.length;
            }
            const expected = placed.map(([, body]) => body).join("");
            assert.equal(await textOf(one, path), expected);
            assert.equal(await textOf(other, path), expected);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
});
