/** Too many uploads, uploads that crawl, and uploads that stop: the others are served all the same. */
// Runs alone: it measures the memory of a process.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import {
  answerOn,
  assertErrorAnswer,
  closeAll,
  memory,
  stalledUpload,
} from "./overload_support.ts";
import { eventually, serverForThisFile, within } from "./support.ts";

const MIB = 1 << 20;
const ADMITTED = 3;
const FRAMINGS = {
  "a declared length": `Content-Length: ${4 * MIB}\r\n`,
  chunks: "Transfer-Encoding: chunked\r\n",
};

/** Of a body of 4 MiB, in either framing, what is not the last byte. */
function almostAll(framing: string): Uint8Array {
  const body = Buffer.alloc(4 * MIB - 1, "x");
  if (!framing.includes("chunked")) return body;
  return Buffer.concat([Buffer.from(`${(4 * MIB).toString(16)}\r\n`), body]);
}

for (const runtime of ["deno", "bun"] as const) {
  /** A quarter of it is for bodies on their way in, and three quarters of that for large ones. */
  const node = serverForThisFile("embedded", {
    runtime,
    args: ["--max-buffered-bytes", "64MiB", "--max-append-bytes", "4MiB", "--body-timeout", "20s"],
  });
  for (const [what, framing] of Object.entries(FRAMINGS)) {
    Deno.test(`uploads with ${what} beyond the memory for them get 503 early, small ones get through, on ${runtime}`, async () => {
      const url = await createStream(node.url);
      const before = memory(node.server);
      const uploads = await Promise.all(
        Array.from(
          { length: 40 },
          () => stalledUpload(node.server, url, framing, almostAll(framing)),
        ),
      );
      try {
        const refused = await eventually(10_000, "the refusals", () => {
          const answered = uploads.filter((wire) => wire.pending.length > 0 || wire.ended);
          return answered.length >= 40 - ADMITTED ? answered : undefined;
        });
        // Chunks grow side by side: one more may have to go for the others to have room.
        const admitted = 40 - refused.length;
        assert.ok(admitted > 0 && (admitted === ADMITTED || framing.includes("chunked")));
        let told = 0;
        for (const wire of refused) {
          const reply = await wire.read();
          // Who goes on sending to a closed connection may lose the answer: that is how TCP is.
          if (reply.kind !== "answer") continue;
          assertErrorAnswer(reply.answer, 503, "OVERLOADED");
          told++;
        }
        assert.ok(told > 0, "nobody was told");
        // What was refused is garbage, and a collector takes its time.
        await eventually(10_000, "less than 100 MiB for 160 MiB of uploads", async () => {
          await (await fetch(`${node.url}/live`)).body?.cancel();
          return memory(node.server) - before < 100 || undefined;
        });

        await within(2000, "a small append", append(url, "small"));
        // Those that were let in can be finished, and make room.
        for (const wire of uploads.filter((wire) => !refused.includes(wire))) {
          await wire.write(Buffer.from(framing.includes("chunked") ? "x\r\n0\r\n\r\n" : "x"));
          assert.equal((await answerOn(wire)).status, 204);
        }
        await append(url, new Uint8Array(4 * MIB));
        assert.equal((await readAll(url)).bytes.length, (admitted + 1) * 4 * MIB + "small".length);
      } finally {
        closeAll(uploads);
      }
    });
  }

  Deno.test(`uploads that break off give their memory back, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    for (const framing of Object.values(FRAMINGS)) {
      for (let round = 0; round < 5; round++) {
        const uploads = await Promise.all(
          Array.from(
            { length: ADMITTED },
            () => stalledUpload(node.server, url, framing, almostAll(framing)),
          ),
        );
        closeAll(uploads);
      }
    }
    await eventually(10_000, "room for uploads", async () => {
      const bodies = Array.from({ length: ADMITTED }, () => append(url, new Uint8Array(4 * MIB)));
      return (await Promise.allSettled(bodies)).every(({ status }) => status === "fulfilled") ||
        undefined;
    });
  });
}
