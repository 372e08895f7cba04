/** The official client follows through the ends of its tokens: nothing is lost, nothing comes twice. */
import assert from "node:assert/strict";
import { stream } from "@durable-streams/client";
import { elapse, serverForThisFile, within } from "../system/support.ts";
import { ADMIN, ask, makeToken, secretFiles } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const server = serverForThisFile("postgres", {
  args: ["--admin-token-file", files.path("admin"), "--long-poll-timeout", "20s"],
});

const LIFETIME_MS = 1500;
const MESSAGES = 120;
const PAUSE_MS = 75;

for (const live of ["sse", "long-poll"] as const) {
  Deno.test(`a follower by ${live} gets every message once through several tokens`, async () => {
    const path = `refreshed/${live}`;
    const url = `${server.url}/v1/stream/${path}`;
    const json = { "content-type": "application/json" };
    await ask(url, { method: "PUT", token: ADMIN, headers: json });
    let made = 0;
    // Called for every request: a page in a browser would ask its backend here.
    const freshToken = async () => {
      const expiresAt = new Date(Date.now() + LIFETIME_MS);
      const name = `${live}-${++made}`;
      return `Bearer ${await makeToken(server.url, name, [`read:${path}`], { expiresAt })}`;
    };
    const received: number[] = [];
    const complete = Promise.withResolvers<void>();
    const following = await stream<{ n: number }>({
      url,
      offset: "-1",
      live,
      headers: { Authorization: freshToken },
    });
    following.subscribeJson((batch) => {
      received.push(...batch.items.map(({ n }) => n));
      if (received.length >= MESSAGES) complete.resolve();
      return Promise.resolve();
    });
    for (let n = 0; n < MESSAGES; n++) {
      const appended = await ask(url, { method: "POST", token: ADMIN, headers: json, body: { n } });
      assert.equal(appended.status, 204);
      await elapse(PAUSE_MS, "the tokens end while messages come");
    }
    await within(20_000, `all messages (${received.length})`, complete.promise);
    following.cancel();
    assert.deepEqual(received, Array.from({ length: MESSAGES }, (_, n) => n));
    assert.ok(made >= 4, `${made} tokens`);
  });
}
