/** docs/recipes/cdn.md: a thousand readers behind a cache cost the server a handful of requests. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { testWith } from "../support/programs/program.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { startCdn } from "./recipes.ts";
import { eventually, freshStorage, nextOffset } from "./support.ts";

const READERS = 1000;
const MESSAGES = ["one;", "two;", "three;"];
/** A reader that comes after the second for which a response is kept causes one more. */
const MOST_REQUESTS = 40;

/** How many reads and long-polls the server has answered. */
async function readsOf(server: RunningServer): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  let count = 0;
  for (const [, labels, value] of text.matchAll(/^penstock_requests_total\{(.*)\} (\d+)$/gm)) {
    if (/route="(read|long_poll|stream)"|mode="(catch-up|long-poll)"/.test(labels!)) {
      count += Number(value);
    }
  }
  return count;
}

testWith(["nginx"], `${READERS} readers behind a cache`, async () => {
  const storage = await freshStorage("postgres");
  const server = await startServer({ database: storage.database });
  await using cdn = await startCdn(Number(new URL(server.url).port));
  try {
    const origin = await createStream(server.url, "s", { body: "zero;" });
    const url = `${cdn.url}/v1/stream/s`;
    const received = new Array<string>(READERS).fill("");
    const follow = async (reader: number) => {
      let cursor = "";
      const first = await fetch(`${url}?offset=-1`);
      received[reader] = await first.text();
      let offset = nextOffset(first);
      while (received[reader] !== `zero;${MESSAGES.join("")}`) {
        const response = await fetch(`${url}?offset=${offset}&live=long-poll${cursor}`);
        assert.ok([200, 204].includes(response.status), String(response.status));
        received[reader] += await response.text();
        offset = nextOffset(response);
        cursor = `&cursor=${response.headers.get("stream-cursor")}`;
      }
    };
    const before = await readsOf(server);
    const following = Promise.all(Array.from({ length: READERS }, (_, reader) => follow(reader)));
    let expected = "zero;";
    for (const message of ["", ...MESSAGES]) {
      if (message !== "") await append(origin, message);
      expected += message;
      await eventually(
        30_000,
        `all to have ${expected}`,
        () => received.every((text) => text === expected) || undefined,
      );
    }
    await following;
    const requests = await readsOf(server) - before;
    console.log(`${READERS} readers of 4 messages: ${requests} requests to the server`);
    assert.ok(requests >= 4, "the requests are not counted");
    assert.ok(requests <= MOST_REQUESTS, `${requests} requests`);
  } finally {
    await server.kill();
    await storage.remove();
  }
});
