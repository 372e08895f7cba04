/** Senders that declare or send a lot and then stall: what they hold is others' as soon as it is needed. */
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { answerOn, assertErrorAnswer, closeAll, stalledUpload } from "./overload_support.ts";
import { elapse, serverForThisFile, within } from "./support.ts";

const MIB = 1 << 20;
const DECLARED = (bytes: number) => `Content-Length: ${bytes}\r\n`;

for (const runtime of ["deno", "bun"] as const) {
  /** Of 32 MiB for bodies on their way in, 24 are for large ones. */
  const node = serverForThisFile("embedded", {
    runtime,
    args: ["--max-buffered-bytes", "128MiB", "--body-timeout", "20s"],
  });

  Deno.test(`a length that is declared takes nothing from others, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const stalled = await Promise.all(
      Array.from(
        { length: 8 },
        () => stalledUpload(node.server, url, DECLARED(16 * MIB), Buffer.from("xx")),
      ),
    );
    try {
      for (let round = 0; round < 5; round++) {
        await within(3000, "an append of 100 KB", append(url, "y".repeat(100_000)));
      }
      // Those that go on are as good as ever.
      await stalled[0]!.write(Buffer.alloc(16 * MIB - 2, "x"));
      assert.equal((await answerOn(stalled[0]!)).status, 204);
      assert.equal((await readAll(url)).bytes.length, 500_000 + 16 * MIB);
    } finally {
      closeAll(stalled);
    }
  });

  Deno.test(`uploads that stall are given up for others that need the memory, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const almost = Buffer.alloc(8 * MIB - 1, "x");
    const stalled = await Promise.all(
      Array.from({ length: 3 }, () => stalledUpload(node.server, url, DECLARED(8 * MIB), almost)),
    );
    try {
      await elapse(2500, "for a rate to be measured");
      await within(3000, "an append of 100 KB", append(url, "y".repeat(100_000)));
      const answers = stalled.map((wire) => wire.pending.length > 0 || wire.ended);
      assert.equal(answers.filter(Boolean).length, 1, "one of them was enough");
      assertErrorAnswer(await answerOn(stalled[answers.indexOf(true)]!), 503, "OVERLOADED");
    } finally {
      closeAll(stalled);
    }
  });

  Deno.test(`many small bodies that stall give way too, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const stalled = await Promise.all(
      Array.from(
        { length: 600 },
        () => stalledUpload(node.server, url, DECLARED(60 << 10), Buffer.from("x")),
      ),
    );
    try {
      await elapse(2500, "for a rate to be measured");
      await within(3000, "a small append", append(url, "small"));
      await within(3000, "an append of 100 KB", append(url, "y".repeat(100_000)));
    } finally {
      closeAll(stalled);
    }
  });
}

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", { runtime, args: ["--body-timeout", "1s"] });

  Deno.test(`time is for what has come, not for what was declared, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const wire = await stalledUpload(node.server, url, DECLARED(16 * MIB), Buffer.from("xx"));
    try {
      assertErrorAnswer(await answerOn(wire, 8000), 408, "BODY_TOO_SLOW");
    } finally {
      wire.destroy();
    }
  });
}
