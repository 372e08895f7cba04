/** An import from the official Node server, again and again, with the official client across. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DurableStream } from "@durable-streams/client";
import { officialServer } from "../../bench/servers/official.ts";
import { startServer } from "../support/server.ts";
import { freshStorage, within } from "../system/support.ts";
import { Workplace } from "../system/client_commands.ts";

async function append(url: string, body: string, headers: Record<string, string> = {}) {
  const type = url.endsWith(".json") ? "application/json" : "text/plain";
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": type, ...headers },
    body,
  });
  assert(response.ok, `${response.status} ${await response.text()}`);
}

Deno.test("streams of the official server come here with their ends mapped, until the switch", async () => {
  const { command, args, cwd } = await officialServer(undefined);
  const official = spawn(command, [...args], { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const [port] = await within(
    60_000,
    "the official server",
    once(createInterface({ input: official.stdout }), "line"),
  ) as [string];
  const there = `http://127.0.0.1:${port}/v1/stream`;
  const storage = await freshStorage("postgres");
  const server = await startServer({ database: storage.database });
  const here = `${server.url}/v1/stream`;
  const place = new Workplace(here);
  const run = async () => {
    const { code, stdout, stderr } = await place.penstock(
      ...["import", "--from", there, "--streams", join(place.folder, "list.txt"), "--json"],
    );
    assert.equal(code, 0, stderr);
    return stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as { path: string; from: string; to: string; closed: boolean }
    );
  };
  try {
    for (const [path, type] of [["a.json", "application/json"], ["b.txt", "text/plain"]]) {
      const headers = {
        "content-type": type!,
        ...path === "b.txt" ? { "stream-ttl": "3600" } : {},
      };
      const made = await fetch(`${there}/${path}`, { method: "PUT", headers });
      assert.equal(made.status, 201);
    }
    for (let at = 0; at < 50; at++) await append(`${there}/a.json`, JSON.stringify([{ at }]));
    await append(`${there}/b.txt`, "first ");
    writeFileSync(join(place.folder, "list.txt"), "a.json\nb.txt\n");
    const first = await run();
    assert.deepEqual(first.map(({ path }) => path), ["a.json", "b.txt"]);
    assert.deepEqual(await run(), first);

    const client = await new DurableStream({ url: `${there}/a.json` })
      .stream<{ at: number }>({ offset: "-1", live: false, json: true });
    const received = (await client.json()).map(({ at }) => at);
    const read = client.offset;
    await append(`${there}/a.json`, '[{"at":50}]');
    await append(`${there}/b.txt`, "second", { "stream-closed": "true" });
    const last = await run();
    assert.deepEqual(await run(), last, "nothing is imported twice");
    const mapped = first.find(({ from }) => from === read)!.to;
    const after = await new DurableStream({ url: `${here}/a.json` })
      .stream<{ at: number }>({ offset: mapped, live: false, json: true });
    received.push(...(await after.json()).map(({ at }) => at));
    assert.deepEqual(received, [...Array(51).keys()]);

    const text = await fetch(`${here}/b.txt`);
    assert.equal(await text.text(), "first second");
    assert.equal(text.headers.get("stream-closed"), "true");
    const head = await fetch(`${here}/b.txt`, { method: "HEAD" });
    assert.equal(head.headers.get("stream-ttl"), "3600");
    assert.equal(last.find(({ path }) => path === "b.txt")!.closed, true);

    await append(`${here}/a.json`, '[{"at":"another writer"}]');
    const refused = await place.penstock(
      ...["import", "--from", there, "--streams", join(place.folder, "list.txt")],
    );
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /a.json was written to by others/);
  } finally {
    official.kill();
    await server.stop();
    await storage.remove();
    place.remove();
  }
});
