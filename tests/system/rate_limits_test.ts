/** `--rate`, `--max-live-per-principal` and `--trusted-proxies`, at the socket. */
import assert from "node:assert/strict";
import { ADMIN, secretFiles } from "../access/support.ts";
import { append, createStream } from "../support/http.ts";
import { eventually, serverForThisFile } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
Deno.test.afterAll(() => files.remove());

const plain = { "content-type": "text/plain" };

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly headers: Headers;
}

async function send(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const code = response.status >= 400 ? JSON.parse(text).error.code : "";
  return { status: response.status, code, headers: response.headers };
}

/** Appends until one is refused. Returns that answer, and how many were taken before. */
async function appendsUntilRefused(url: string, headers: Record<string, string>, body = "x") {
  for (let taken = 0; taken < 1000; taken++) {
    const init = { method: "POST", body, headers: { ...plain, ...headers } };
    const answer = await send(url, init);
    if (answer.status !== 204) return { answer, taken };
  }
  throw new Error("nothing was refused");
}

for (const runtime of ["deno", "bun"] as const) {
  const byAddress = serverForThisFile("embedded", {
    runtime,
    args: [
      ...["--rate", "append=20/m,bytes=4KiB/m,create=30/m", "--max-live-per-principal", "2"],
      ...["--trusted-proxies", "127.0.0.1", "--long-poll-timeout", "1s"],
    ],
  });
  const byPrincipal = serverForThisFile("embedded", {
    runtime,
    args: [
      "--rate",
      "append=5/s",
      "--admin-token-file",
      files.path("admin"),
      "--anonymous",
      "append:**",
    ],
  });
  const from = (address: string) => ({ "x-forwarded-for": `198.51.100.1, ${address}` });

  Deno.test(`${runtime}: an address may append as often as --rate says, and others as well`, async () => {
    const url = await createStream(byAddress.url);
    const { answer, taken } = await appendsUntilRefused(url, from("192.0.2.1"));
    assert.equal(taken, 20);
    assert.deepEqual([answer.status, answer.code], [429, "RATE_LIMITED"]);
    assert.equal(answer.headers.get("ratelimit-policy"), '"append";q=20;w=60');
    const seconds = answer.headers.get("retry-after") ?? "";
    assert.match(seconds, /^\d+$/);
    assert.equal(answer.headers.get("ratelimit"), `"append";r=0;t=${seconds}`);
    assert.ok(Number(seconds) >= 1 && Number(seconds) <= 60);
    // Another address, and other kinds of requests of this one.
    const other = { method: "POST", body: "x", headers: { ...plain, ...from("192.0.2.2") } };
    assert.equal((await send(url, other)).status, 204);
    assert.equal((await send(url, { headers: from("192.0.2.1") })).status, 200);
    await byAddress.server.logged((line) =>
      line.event === "access_refused" && line.reason === "rate_limited" &&
      line.address === "192.0.2.1"
    );
  });

  Deno.test(`${runtime}: bytes are counted when they have come`, async () => {
    const url = await createStream(byAddress.url);
    const client = from("192.0.2.3");
    const { answer, taken } = await appendsUntilRefused(url, client, "x".repeat(1500));
    // The third goes beyond, and is taken; the fourth is not.
    assert.equal(taken, 3);
    assert.equal(answer.code, "RATE_LIMITED");
    assert.equal(answer.headers.get("ratelimit-policy"), '"bytes";q=4096;w=60;qu="content-bytes"');
  });

  Deno.test(`${runtime}: live reads beyond the most get 429, and an end makes room`, async () => {
    const url = await createStream(byAddress.url, undefined, { body: "x" });
    const headers = from("192.0.2.4");
    const open = () => fetch(`${url}?offset=-1&live=sse`, { headers });
    const [one, two] = [await open(), await open()];
    assert.deepEqual([one.status, two.status], [200, 200]);
    const refused = await send(`${url}?offset=now&live=long-poll`, { headers });
    assert.deepEqual([refused.status, refused.code], [429, "TOO_MANY_LIVE_READS"]);
    const encoded = await send(`${url}?offset=now&l%69ve=long-poll`, { headers });
    assert.deepEqual([encoded.status, encoded.code], [429, "TOO_MANY_LIVE_READS"]);
    assert.equal((await send(url, { headers })).status, 200);
    const elsewhere = await send(`${url}?offset=-1&live=long-poll`, { headers: from("192.0.2.5") });
    assert.equal(elsewhere.status, 200);
    await one.body?.cancel();
    await eventually(5000, "room", async () => {
      const answer = await send(`${url}?offset=-1&live=long-poll`, { headers });
      return answer.status === 200 || undefined;
    });
    // A long-poll that is answered, and one that is refused, hold no place.
    for (let round = 0; round < 3; round++) {
      assert.equal((await send(`${url}?offset=-1&live=long-poll`, { headers })).status, 200);
      assert.equal((await send(`${url}-no?offset=-1&live=sse`, { headers })).status, 404);
    }
    await two.body?.cancel();
  });

  Deno.test(`${runtime}: a principal is limited wherever it comes from, and room comes back`, async () => {
    const token = { authorization: `Bearer ${ADMIN}` };
    const url = await createStream(byPrincipal.url, undefined, { headers: token });
    const answers = await Promise.all(
      Array.from(
        { length: 40 },
        () => send(url, { method: "POST", body: "x", headers: { ...plain, ...token } }),
      ),
    );
    const refused = answers.find(({ status }) => status === 429);
    assert.equal(refused?.code, "RATE_LIMITED");
    // Whoever has no token is another: X-Forwarded-For is no proxy's here.
    assert.equal((await send(url, { method: "POST", body: "x", headers: plain })).status, 204);
    await eventually(
      5000,
      "the next window",
      () => append(url, "x", { headers: token }).catch(() => undefined),
    );
  });
}
