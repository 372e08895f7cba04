/** A primary and its standby: the nodes find whichever is the primary, and believe no other. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { createStream, readAll } from "../support/http.ts";
import { startOwnPostgres, type TestPostgres } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { penstock } from "./processes.ts";
import { Proxy } from "./proxy.ts";
import { Events, eventually, expectError, expectStatus, within, withServer } from "./support.ts";

const ANSWER_MS = 4000;
const RECOVERY_MS = 20_000;
const plain = { "content-type": "text/plain" };

interface Pair {
  readonly primary: Required<TestPostgres>;
  readonly standbyUrl: string;
  /** Both hosts, the standby first. */
  readonly url: string;
  standby<Row>(statement: string): Promise<Row[]>;
  onPrimary<Row>(statement: string): Promise<Row[]>;
  /** Until the standby has all that the primary has. */
  caughtUp(): Promise<void>;
  promote(): Promise<void>;
}

async function ask<Row>(url: string, statement: string): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe(statement) as unknown as Row[];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function withPair(use: (pair: Pair) => Promise<void>): Promise<void> {
  const primary = await startOwnPostgres();
  try {
    const standbyUrl = await primary.addStandby();
    const at = (url: string) => new URL(url).host;
    const standby = <Row>(statement: string) => ask<Row>(standbyUrl, statement);
    const onPrimary = <Row>(statement: string) => ask<Row>(primary.url, statement);
    await use({
      primary,
      standbyUrl,
      url: `postgres://penstock@${at(standbyUrl)},${at(primary.url)}/postgres`,
      standby,
      onPrimary,
      async caughtUp() {
        const [row] = await onPrimary<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
        await eventually(RECOVERY_MS, "the standby to catch up", async () => {
          const [there] = await standby<{ ok: boolean }>(
            `select pg_last_wal_replay_lsn() >= '${row!.lsn}' as ok`,
          );
          return there!.ok || undefined;
        });
      },
      promote: async () => void await standby("select pg_promote()"),
    });
  } finally {
    await primary.stop();
  }
}

/** An append's answer: acked or 503 with Retry-After, in time, and nothing else. */
async function tryAppend(url: string, body: string): Promise<boolean> {
  const answer = fetch(url, { method: "POST", headers: plain, body });
  const response = await within(ANSWER_MS, "an append's answer", answer);
  const text = await response.text();
  if (response.status === 204) return true;
  assert.equal(response.status, 503, text);
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  return false;
}

function said(node: RunningServer, event: string): Record<string, unknown>[] {
  return node.logs.map((line) => JSON.parse(line)).filter((line) => line.event === event);
}

const args = ["--database-timeout", "1s"];

Deno.test("nodes with both hosts follow a failover by themselves: nothing acked is lost, nothing is false", async () => {
  await withPair(async (pair) => {
    const url = `${pair.url}?target_session_attrs=read-write`;
    const a = await startServer({ database: { url }, args });
    const b = await startServer({ database: { url }, args });
    try {
      const stream = await createStream(a.url);
      const path = new URL(stream).pathname;
      const events = await Events.open(b.url + path, "-1");
      await events.control();
      const acked: string[] = [];
      for (let n = 0; n < 20; n++) if (await tryAppend(stream, `a${n};`)) acked.push(`a${n};`);
      assert.equal(acked.length, 20);
      await pair.caughtUp();
      await pair.primary.crash();

      // Until the promotion: 503 and nothing else, reads and creations too, on both.
      for (const node of [a, b]) {
        await expectUnavailable(fetch(node.url + path));
        await expectUnavailable(fetch(node.url + path, { method: "HEAD" }));
        await expectUnavailable(fetch(`${node.url}/v1/stream/nowhere`));
        await expectUnavailable(fetch(`${node.url}/v1/stream/new`, { method: "PUT" }));
        await expectUnavailable(fetch(node.url + path, { method: "DELETE" }));
        assert.equal(await tryAppend(node.url + path, "lost?;"), false);
      }
      await pair.promote();
      for (const [name, node] of [["b", b], ["c", a]] as const) {
        for (let n = 0; n < 10; n++) {
          await eventually(RECOVERY_MS, "an ack after the promotion", async () => {
            if (!await tryAppend(node.url + path, `${name}${n};`)) return;
            acked.push(`${name}${n};`);
            return true;
          });
        }
      }
      for (const node of [a, b]) {
        const { text } = await readAll(node.url + path);
        assert.equal(text, acked.join(""));
        assert.equal(said(node, "database_promoted").length, 1);
      }
      await events.close();

      // The old primary returns as if nothing had happened: nobody listens to it.
      await pair.primary.start();
      const before = await pair.onPrimary("select 1 from penstock.streams");
      for (let n = 0; n < 20; n++) {
        await createStream(n % 2 === 0 ? a.url : b.url);
      }
      assert.equal((await pair.onPrimary("select 1 from penstock.streams")).length, before.length);
      await expectStatus(await fetch(a.url + path), 200);
      // Nor does a node that has seen neither before.
      await withServer({ database: { url }, args }, async (c) => {
        assert.equal((await readAll(c.url + path)).text, acked.join(""));
      });
    } finally {
      await a.kill();
      await b.kill();
    }
  });
});

async function expectUnavailable(answer: Promise<Response>): Promise<void> {
  const response = await within(ANSWER_MS, "an answer", answer);
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/, `${response.status}`);
  if (response.body === null) assert.equal(response.status, 503);
  else assert.equal(await expectError(response, 503), "DATABASE_UNAVAILABLE");
}

Deno.test("commits that the promoted standby had not received leave nothing of theirs behind", async () => {
  await withPair(async (pair) => {
    const a = await startServer({ database: { url: pair.url }, args });
    const b = await startServer({ database: { url: pair.url }, args });
    try {
      const stream = await createStream(a.url, undefined, { body: "kept;" });
      const path = new URL(stream).pathname;
      await pair.caughtUp();
      // What the primary commits from now on, it commits for nothing.
      await pair.standby("alter system set primary_conninfo = ''");
      await pair.standby("select pg_reload_conf()");
      await eventually(RECOVERY_MS, "the standby to be cut off", async () => {
        const rows = await pair.onPrimary("select 1 from pg_stat_replication");
        return rows.length === 0 || undefined;
      });
      const events = await Events.open(a.url + path, "-1");
      assert.equal(await events.data(), "kept;");
      await events.control();
      assert.ok(await tryAppend(stream, "forgotten by all;"));
      assert.equal(await events.data(), "forgotten by all;");
      await pair.primary.crash();
      await pair.promote();
      // B writes as many versions as A has seen, of other lengths; A knows the old ones still.
      await eventually(RECOVERY_MS, "an ack at B", async () => {
        return await tryAppend(b.url + path, "anew;") || undefined;
      });
      // The first statement that A sends must not be believed to follow on what it remembers.
      await eventually(RECOVERY_MS, "an ack at A", async () => {
        return await tryAppend(stream, "and on;") || undefined;
      });
      for (const node of [a, b]) {
        assert.equal((await readAll(node.url + path)).text, "kept;anew;and on;");
      }
      // The follower of what never was is sent away, to begin again.
      await eventually(RECOVERY_MS, "the end of the follower", async () => {
        return await events.next(RECOVERY_MS) === undefined || undefined;
      });
    } finally {
      await a.kill();
      await b.kill();
    }
  });
});

Deno.test("a standby that is promoted while its primary lives is the only one soon after", async () => {
  await withPair(async (pair) => {
    const a = await startServer({ database: { url: pair.url }, args });
    const b = await startServer({ database: { url: pair.url }, args });
    try {
      const stream = await createStream(a.url, undefined, { body: "before;" });
      const path = new URL(stream).pathname;
      await pair.caughtUp();
      await pair.promote();
      // No connection breaks; until a node has looked, it writes where nobody will read.
      for (const node of [a, b]) {
        await within(15_000, "the look", node.logged((line) => line.event === "database_promoted"));
      }
      for (const node of [a, b]) {
        await eventually(RECOVERY_MS, "an ack", async () => {
          return await tryAppend(node.url + path, "after;") || undefined;
        });
      }
      for (const node of [a, b]) {
        assert.equal((await readAll(node.url + path)).text, "before;after;after;");
      }
    } finally {
      await a.kill();
      await b.kill();
    }
  });
});

Deno.test("one host that becomes a standby is not believed: 503, no 404; and the start waits, then refuses", async () => {
  await withPair(async (pair) => {
    // What stands for an address that moves, to the wrong server at first.
    const address = await Proxy.start(pair.primary.url);
    const node = await startServer({ database: { url: address.url }, args });
    try {
      const stream = await createStream(node.url, undefined, { body: "x" });
      await pair.standby("select pg_wal_replay_pause()");
      const later = await createStream(node.url);
      address.lead(pair.standbyUrl);
      address.cut();
      await expectUnavailable(fetch(later));
      await expectUnavailable(fetch(stream));
      assert.equal(await tryAppend(stream, "y"), false);
      const refused = await penstock(["serve", "--port=0", "--database-url", pair.standbyUrl]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /cannot be written to: .*standby in recovery/);
      assert.match(refused.stdout, /"event":"database_waiting"/);
      address.lead(pair.primary.url);
      await eventually(RECOVERY_MS, "200", async () => {
        const response = await fetch(later);
        await response.body?.cancel();
        return response.status === 200 || undefined;
      });
    } finally {
      await node.kill();
      address.stop();
    }
  });
});

Deno.test("a primary that has become read-only is left, and taken again when it is not", async () => {
  const own = await startOwnPostgres();
  const node = await startServer({ database: { url: own.url }, args });
  const set = async (value: string) => {
    await ask(own.url, `alter system set default_transaction_read_only = ${value}`);
    await ask(own.url, "select pg_reload_conf()");
  };
  try {
    const stream = await createStream(node.url);
    assert.ok(await tryAppend(stream, "1"));
    await set("on");
    await eventually(RECOVERY_MS, "503", async () => !await tryAppend(stream, "2") || undefined);
    await set("off");
    await eventually(RECOVERY_MS, "an ack", async () => await tryAppend(stream, "3") || undefined);
    assert.match((await readAll(stream)).text, /^12*3$/);
  } finally {
    await node.kill();
    await own.stop();
  }
});
