/** Starting, stopping, and what a probe sees. */
import assert from "node:assert/strict";
import { once } from "node:events";
import process from "node:process";
import { append, createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { RawConnection, request } from "./raw.ts";
import {
  type Control,
  Events,
  expectError,
  expectStatus,
  KINDS,
  nextOffset,
  serverForThisFile,
  within,
  withServer,
  withStorage,
} from "./support.ts";

const node = serverForThisFile();
const plain = { "content-type": "text/plain" };

Deno.test("/health, /live and /ready answer GET and HEAD", async () => {
  for (const path of ["/health", "/live", "/ready"]) {
    const response = await fetch(node.url + path);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.ok(JSON.parse(await expectStatus(response, 200)).status);
    const head = await fetch(node.url + path, { method: "HEAD" });
    assert.equal(await expectStatus(head, 200), "");
  }
});

Deno.test("--port 0 prints the port it got", () => {
  const listening = JSON.parse(node.server.logs.find((line) => line.includes(`"listening"`))!);
  assert.match(listening.url, /^http:\/\/127\.0\.0\.1:[1-9][0-9]+$/);
  assert.match(listening.database, /^PostgreSQL /);
});

/** Reads a follower to its end: the data, and the last control event. */
async function toTheEnd(events: Events): Promise<{ text: string; last: Control }> {
  let text = "";
  let last: Control | undefined;
  for (let event = await events.next(20_000); event; event = await events.next(20_000)) {
    if (event.event === "data") text += event.data;
    else last = JSON.parse(event.data) as Control;
  }
  assert.ok(last, "no control event");
  return { text, last };
}

/** Appends until the server is gone; what was acked. */
async function writeUntilGone(url: string, name: string): Promise<string[]> {
  const acked: string[] = [];
  for (let number = 0;; number++) {
    const body = `${name}.${number};`;
    try {
      const response = await fetch(url, { method: "POST", headers: plain, body });
      await response.body?.cancel();
      if (response.status === 204) acked.push(body);
      else assert.equal(response.status, 503);
    } catch {
      return acked;
    }
  }
}

for (const kind of KINDS) {
  Deno.test(`${kind}: SIGTERM ends followers at valid offsets, keeps what was acked, exits 0`, async () => {
    await withStorage(kind, async (database) => {
      const first = await startServer({ database });
      const url = await createStream(first.url, "written", { body: "start;" });
      const quiet = await createStream(first.url, "quiet", { body: "quiet" });
      const tail = nextOffset(await fetch(quiet, { method: "HEAD" }));
      const followers = await Promise.all([0, 1, 2].map(() => Events.open(url, "-1")));
      const idle = await Events.open(quiet, tail);
      await idle.control();
      const ends = Promise.all(followers.map(toTheEnd));
      const polls = [0, 1, 2].map(() => fetch(`${quiet}?offset=${tail}&live=long-poll`));
      // Answered after the long-polls have come in: they are waiting by now.
      await expectStatus(await fetch(quiet, { method: "HEAD" }), 200);
      const writers = ["a", "b", "c"].map((name) => writeUntilGone(url, name));
      for (let some = 0; some < 30; some++) await append(url, "x;");

      const code = await within(15_000, "the exit", first.stop());
      assert.equal(code, 0, first.stderr());
      for (const poll of polls) {
        const response = await poll;
        assert.equal(nextOffset(response), tail);
        await expectStatus(response, 204);
      }
      assert.equal(await idle.next(), undefined, "ended, and with no error");
      const seen = await ends;
      const acked = (await Promise.all(writers)).flat();

      await withServer({ database }, async (second) => {
        const there = second.url + new URL(url).pathname;
        const { text } = await readAll(there);
        const parts = new Set(text.split(/(?<=;)/));
        for (const body of acked) assert.ok(parts.has(body), `${body} was acked, and is not there`);
        for (const { text: before, last } of seen) {
          assert.notEqual(last.streamClosed, true);
          // From where the follower was told to go on, nothing is missing and nothing double.
          const { text: after } = await readAll(there, last.streamNextOffset);
          assert.equal(before + after, text);
        }
      });
    });
  });
}

/** A server with a request that never ends: an upload of which the rest does not come. */
async function withHangingUpload(use: (server: RunningServer) => Promise<void>): Promise<void> {
  await withServer({ database: { url: node.databaseUrl } }, async (server) => {
    const hanging = await RawConnection.open(Number(new URL(server.url).port));
    const headers = { "Content-Type": "text/plain", "Content-Length": "1000" };
    await hanging.write(request("POST", "/v1/stream/hangs", { headers }) + "0123456789");
    // On another connection, and after it: the server has met the upload by now.
    await expectStatus(await fetch(`${server.url}/health`), 200);
    try {
      await use(server);
    } finally {
      hanging.destroy();
    }
  });
}

Deno.test("a request that never ends holds SIGTERM up for a while, not for ever", async () => {
  await withHangingUpload(async (server) => {
    assert.equal(await within(15_000, "the exit", server.stop()), 0, server.stderr());
    assert.ok(server.logs.some((line) => line.includes(`"stop_forced"`)));
  });
});

Deno.test("a second signal ends it at once", async () => {
  for (const signals of [["SIGTERM", "SIGTERM"], ["SIGINT", "SIGTERM"]] as const) {
    await withHangingUpload(async (server) => {
      const exited = once(server.process, "exit") as Promise<[number | null, string | null]>;
      process.kill(server.process.pid!, signals[0]);
      await within(5000, "the first signal", server.logged((line) => line.event === "stopping"));
      process.kill(server.process.pid!, signals[1]);
      const [code] = await within(3000, "the exit", exited);
      assert.equal(code, 130);
    });
  }
});

Deno.test("SIGINT stops as well as SIGTERM, and an idle server stops quickly", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await withServer({ database: { url: node.databaseUrl } }, async (server) => {
      await expectStatus(await fetch(`${server.url}/health`), 200); // leaves a connection open
      const exited = once(server.process, "exit") as Promise<[number | null, string | null]>;
      process.kill(server.process.pid!, signal);
      const [code] = await within(5000, "the exit", exited);
      assert.equal(code, 0);
      assert.ok(server.logs.some((line) => line.includes(`"stopped"`)));
    });
  }
});

Deno.test("--drain-delay: serves on while /ready says that it is draining", async () => {
  const options = { database: { url: node.databaseUrl }, args: ["--drain-delay", "2s"] };
  await withServer(options, async (server) => {
    const url = await createStream(server.url);
    await expectStatus(await fetch(`${server.url}/ready`), 200);
    const exited = once(server.process, "exit") as Promise<[number | null, string | null]>;
    process.kill(server.process.pid!, "SIGTERM");
    await within(5000, "the signal", server.logged((line) => line.event === "stopping"));
    const ready = await fetch(`${server.url}/ready`);
    assert.equal(await expectError(ready, 503), "DRAINING");
    await append(url, "served");
    const [code] = await within(10_000, "the exit", exited);
    assert.equal(code, 0);
    assert.equal((await readAll(url.replace(server.url, node.url))).text, "served");
  });
});
