/** A body has its time; then it is 408, and whoever else wants to upload has the room. */
import assert from "node:assert/strict";
import { createStream, readAll } from "../support/http.ts";
import {
  answerOn,
  assertErrorAnswer,
  closeAll,
  expectOverloaded,
  stalledUpload,
} from "./overload_support.ts";
import { eventually, serverForThisFile } from "./support.ts";

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", { runtime, args: ["--body-timeout", "1s"] });
  const bodies: [what: string, framing: string, sent: string][] = [
    ["a small body", "Content-Length: 10\r\n", "x"],
    ["a large body", `Content-Length: ${100 << 10}\r\n`, "x".repeat(70_000)],
    ["a body of which nothing comes", "Content-Length: 10\r\n", ""],
  ];
  for (const [what, framing, sent] of bodies) {
    Deno.test(`${what} that does not arrive in time is 408 on ${runtime}`, async () => {
      const url = await createStream(node.url);
      const wire = await stalledUpload(node.server, url, framing, Buffer.from(sent));
      try {
        const began = Date.now();
        assertErrorAnswer(await answerOn(wire), 408, "BODY_TOO_SLOW");
        assert.ok(Date.now() - began > 500, "its time was not up");
        // Deno says Connection: close, and then waits for the rest of the body all the same.
        if (runtime === "bun") assert.ok(await wire.closed(5000), "the connection is still open");
        assert.equal((await readAll(url)).text, "");
      } finally {
        wire.destroy();
      }
    });
  }
}

const narrow = serverForThisFile("embedded", {
  args: ["--body-timeout", "1s", "--max-buffered-bytes", "1MiB"],
});

Deno.test("the room of bodies that did not arrive is others', though their senders stay", async () => {
  const url = await createStream(narrow.url);
  const length = 60 << 10;
  const framing = `Content-Length: ${length}\r\n`;
  const stalled = await Promise.all(
    Array.from({ length: 4 }, () => stalledUpload(narrow.server, url, framing, Buffer.from("x"))),
  );
  try {
    const post = () =>
      fetch(url, {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body: "y".repeat(length),
      });
    // As soon as the heads of all four have been read.
    await eventually(5000, "a refusal", async () => {
      const response = await post();
      if (response.status === 204) return undefined;
      await expectOverloaded(response);
      return true;
    });
    for (const wire of stalled) assertErrorAnswer(await answerOn(wire), 408, "BODY_TOO_SLOW");
    assert.equal((await post()).status, 204);
  } finally {
    closeAll(stalled);
  }
});
