/** Large streams read by many at once, at their own pace: each gets every byte as it was stored. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { noise, serverForThisFile } from "./support.ts";

const MIB = 1 << 20;
const PAGES = 20;

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("postgres", { runtime });

  /** Reads to the tail, page by page, and holds up after the first piece of each. */
  const readSlowly = async (url: string, pause: (page: number) => Promise<unknown>) => {
    const pieces: Uint8Array[] = [];
    let offset = "-1";
    for (let page = 0;; page++) {
      const response = await fetch(`${url}?offset=${offset}`);
      assert.equal(response.status, 200);
      const reader = response.body!.getReader();
      for (let piece = 0;; piece++) {
        const { done, value } = await reader.read();
        if (done) break;
        pieces.push(value);
        if (piece === 0) await pause(page);
      }
      offset = response.headers.get("stream-next-offset")!;
      if (response.headers.has("stream-up-to-date")) return Buffer.concat(pieces);
    }
  };

  for (const contentType of ["application/octet-stream", "application/json"]) {
    Deno.test(`readers of ${contentType} at any pace get every byte, on ${runtime}`, async () => {
      const url = await createStream(node.url, undefined, { contentType });
      const json = contentType === "application/json";
      const text = (turn: number) => `"${noise(MIB / 2, turn).toHex()}"`;
      const bodies = Array.from(
        { length: PAGES },
        (_, turn) => json ? text(turn) : noise(MIB, turn),
      );
      for (const body of bodies) await append(url, body, { contentType });
      let quick: Promise<unknown> = Promise.resolve();
      const readers = Array.from({ length: 6 }, (_, at) =>
        // Each holds one page while others read all there is, and what is kept is forgotten.
        readSlowly(url, (page) => page === at * 3 ? quick : Promise.resolve()));
      quick = Promise.all([readSlowly(url, async () => {}), readSlowly(url, async () => {})]);
      const results = [...await Promise.all(readers), ...await quick as Buffer[]];
      const expected = json ? Buffer.from(bodies.join(",")) : Buffer.concat(bodies as Uint8Array[]);
      for (const result of results) {
        // The pages of a JSON stream are arrays.
        const read = json
          ? Buffer.from(result.toString().replaceAll("][", ",").slice(1, -1))
          : result;
        assert.equal(Buffer.compare(read, expected), 0);
      }
    });
  }
}
