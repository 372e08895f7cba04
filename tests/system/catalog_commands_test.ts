/** `penstock ls`, `sub`, and the `tail` that reads no more than the end, as a user runs them. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { append, createStream } from "../support/http.ts";
import { Workplace } from "./client_commands.ts";
import { serverForThisFile } from "./support.ts";

const server = serverForThisFile();
const JSON_TYPE = { contentType: "application/json" };

async function withWorkplace(url: string, test: (place: Workplace) => Promise<void>) {
  const place = new Workplace(url);
  try {
    await test(place);
  } finally {
    place.remove();
  }
}

Deno.test("ls prints paths, entries and those with a label", () =>
  withWorkplace(`${server.url}/v1/stream`, async (place) => {
    for (const name of ["b", "a", "c d"]) {
      await createStream(server.url, `ls/${encodeURIComponent(name)}`, {
        body: name,
        headers: { "stream-label-first": String(name === "a") },
      });
    }
    assert.equal((await place.penstock("ls", "ls/")).stdout, "ls/a\nls/b\nls/c d\n");
    assert.equal((await place.penstock("ls", "ls/", "--label", "first:true")).stdout, "ls/a\n");
    const long = await place.penstock("ls", "ls/c", "-l");
    assert.match(long.stdout, /^ +3 {2}\d{4}-\S+Z {2}open {4}text\/plain {2}ls\/c d\n$/);
    const json = await place.penstock("ls", "ls/", "--json");
    assert.equal(JSON.parse(json.stdout.split("\n")[0]!).labels.first, "true");
  }));

Deno.test("sub creates, lists, shows and deletes", () =>
  withWorkplace(`${server.url}/v1/stream`, async (place) => {
    await createStream(server.url, "sub/wakes", JSON_TYPE);
    const created = await place.penstock(
      ...["sub", "create", "s", "--pattern", "sub/x/**", "--wake-stream", "sub/wakes"],
    );
    assert.equal(created.code, 0, created.stderr);
    assert.match(
      (await place.penstock("sub", "list")).stdout,
      /^s {2}pull-wake {2}sub\/x\/\*\* {2}0 st/,
    );
    const shown = JSON.parse((await place.penstock("sub", "show", "s")).stdout);
    assert.equal(shown.pattern, "sub/x/**");
    assert.equal((await place.penstock("sub", "delete", "s")).stdout, "s deleted\n");
    assert.equal((await place.penstock("sub", "list")).stdout, "");
    assert.equal((await place.penstock("sub", "mend", "s")).code, 2);
  }));

Deno.test("tail prints the same by ?tail= and from a server that does not know it", async () => {
  const lines = await createStream(server.url, "tail/lines");
  const text = Array.from({ length: 5000 }, (_, at) => `line ${at} ${"x".repeat(at % 300)}\n`);
  await append(lines, text.join(""));
  const numbers = await createStream(server.url, "tail/numbers", JSON_TYPE);
  await append(numbers, JSON.stringify(Array.from({ length: 500 }, (_, at) => at)), JSON_TYPE);
  let unknown = 0;
  // Passes everything on but the parameters of the extension.
  const plain = createServer(async (request, response) => {
    const url = new URL(request.url!, server.url);
    if (url.searchParams.has("tail") || url.searchParams.has("before")) unknown++;
    for (const name of ["tail", "before", "limit"]) url.searchParams.delete(name);
    const answer = await fetch(url, { method: request.method! });
    const headers = [...answer.headers].filter(([name]) => name !== "stream-previous-offset");
    response.writeHead(answer.status, Object.fromEntries(headers));
    response.end(new Uint8Array(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const { port } = plain.address() as AddressInfo;
  try {
    for (const base of [server.url, `http://127.0.0.1:${port}`]) {
      await withWorkplace(`${base}/v1/stream`, async (place) => {
        for (const count of [1, 7, 900, 9000]) {
          const tailed = await place.penstock("tail", "tail/lines", "-n", String(count));
          assert.equal(tailed.stdout, text.slice(-count).join(""), `${base}: ${count}`);
        }
        const messages = await place.penstock("tail", "tail/numbers", "-n", "3");
        assert.equal(messages.stdout, "497\n498\n499\n");
        const all = await place.penstock("tail", "tail/numbers", "-n", "1000");
        assert.equal(all.stdout.split("\n").length, 501);
      });
    }
    assert.ok(unknown >= 6, `${unknown} were asked of the other server`);
  } finally {
    plain.close();
  }
});
