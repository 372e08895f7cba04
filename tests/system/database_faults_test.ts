/** PostgreSQL in trouble of its own making: whatever asks for it gets 503 in time, and the truth. */
// Runs quietly: it measures how long requests wait for a database that fails.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import { freshDatabase, startOwnPostgres } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { Proxy } from "./proxy.ts";
import { eventually, expectError, expectStatus, produce, within } from "./support.ts";

const TIMEOUT = ["--database-timeout", "1s"];
/** The timeout, the driver's half second, and time to say so on a busy machine. */
const ANSWER_MS = 4000;
const RECOVERY_MS = 15_000;
const plain = { "content-type": "text/plain" };
const json = { "content-type": "application/json" };

type Sql = ReturnType<typeof postgres>;

/** A node whose role is its own, and an administrator of its database. */
async function withNode(
  args: readonly string[],
  use: (parts: { node: RunningServer; admin: Sql; role: string }) => Promise<void>,
): Promise<void> {
  const fresh = await freshDatabase();
  const admin = postgres(fresh.url, { max: 2, onnotice: () => {} });
  const role = `role_${crypto.randomUUID().slice(0, 8)}`;
  const name = new URL(fresh.url).pathname.slice(1);
  await admin.unsafe(`create role ${role} login; grant create on database ${name} to ${role}`);
  const url = new URL(fresh.url);
  url.username = role;
  const node = await startServer({ database: { url: url.href }, args: [...TIMEOUT, ...args] });
  try {
    await use({ node, admin, role });
  } finally {
    await node.kill();
    await admin.unsafe(`drop schema if exists penstock cascade; drop owned by ${role}`);
    await admin.unsafe(`drop role ${role}`);
    await admin.end();
    await fresh.drop();
  }
}

interface Prepared {
  readonly url: string;
  readonly source: string;
  readonly subscription: string;
}

/** What the requests below are about. */
async function prepare(node: RunningServer): Promise<Prepared> {
  const url = await createStream(node.url, undefined, { body: "x" });
  const source = await createStream(node.url, undefined, { body: "source" });
  const wake = await createStream(node.url, undefined, { headers: json });
  const subscription = `${node.url}/v1/stream/__ds/subscriptions/${crypto.randomUUID()}`;
  const response = await fetch(subscription, {
    method: "PUT",
    headers: json,
    body: configuration(wake),
  });
  await response.body?.cancel();
  assert.equal(response.status, 201);
  return { url, source, subscription };
}

function configuration(wake: string): string {
  const stream = new URL(wake).pathname.replace("/v1/stream/", "");
  return JSON.stringify({ type: "pull-wake", pattern: "a/*", wake_stream: stream });
}

/** One request of every kind that needs the database. */
function requests(
  { url, source, subscription }: Prepared,
): Record<string, () => Promise<Response>> {
  const close = { ...plain, "stream-closed": "true" };
  const forked = { ...plain, "stream-forked-from": new URL(source).pathname };
  const worker = JSON.stringify({ worker: "w" });
  return {
    "append": () => fetch(url, { method: "POST", headers: plain, body: "lost?" }),
    "a producer's append": () => produce(url, { id: "p", epoch: 0, seq: 0 }, "lost?"),
    "close": () => fetch(url, { method: "POST", headers: close }),
    "create": () => fetch(`${url}-new`, { method: "PUT", headers: plain, body: "new" }),
    "create again": () => fetch(url, { method: "PUT", headers: plain }),
    "fork": () => fetch(`${url}-fork`, { method: "PUT", headers: forked }),
    "delete": () => fetch(source, { method: "DELETE" }),
    "read": () => fetch(url),
    "read what is not there": () => fetch(`${url}-nowhere`),
    "HEAD": () => fetch(url, { method: "HEAD" }),
    "long-poll": () => fetch(`${url}?offset=now&live=long-poll`),
    "SSE": () => fetch(`${url}?offset=-1&live=sse`),
    "subscription": () => fetch(subscription),
    "a new subscription": () =>
      fetch(`${subscription}-new`, { method: "PUT", headers: json, body: configuration(source) }),
    "claim": () => fetch(`${subscription}/claim`, { method: "POST", headers: json, body: worker }),
    "delete a subscription": () => fetch(subscription, { method: "DELETE" }),
    "ready": () => fetch(`${new URL(url).origin}/ready`),
  };
}

async function expectUnavailable(what: string, answer: Promise<Response>): Promise<void> {
  const response = await within(ANSWER_MS, `${what}: its answer`, answer);
  assert.equal(response.status, 503, `${what}: ${response.status}`);
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/, what);
  if (what === "HEAD") await response.body?.cancel();
  else assert.equal(await expectError(response, 503), "DATABASE_UNAVAILABLE", what);
}

async function expectAllUnavailable(prepared: Prepared): Promise<void> {
  const all = Object.entries(requests(prepared));
  await Promise.all(all.map(([what, send]) => expectUnavailable(what, send())));
}

/** All is as if the refused requests had never been, as far as that can be known. */
async function expectRecovered({ url, source }: Prepared): Promise<void> {
  await eventually(RECOVERY_MS, "200", async () => {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status === 200 || undefined;
  });
  assert.match((await readAll(url)).text, /^x(lost\?){0,2}$/);
  assert.equal((await readAll(source)).text, "source");
  await expectStatus(await fetch(`${url}-fresh`, { method: "PUT", headers: plain }), 201);
}

Deno.test("no connection is to be had: 503 for every request, and recovery", async () => {
  await withNode([], async ({ node, admin, role }) => {
    const prepared = await prepare(node);
    await admin.unsafe(`alter role ${role} connection limit 0`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
    await expectAllUnavailable(prepared);
    await admin.unsafe(`alter role ${role} connection limit -1`);
    await expectRecovered(prepared);
  });
});

Deno.test("fewer connections than the pool wants are waited for: nobody is turned away", async () => {
  await withNode(["--database-connections", "8"], async ({ node, admin, role }) => {
    await admin.unsafe(`alter role ${role} connection limit 3`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
    const url = await eventually(RECOVERY_MS, "a stream", () => {
      return createStream(node.url).catch(() => undefined);
    });
    for (let round = 0; round < 5; round++) {
      const large = new Uint8Array(200_000);
      const bodies = Array.from({ length: 40 }, async (_, at) => {
        const own = await createStream(node.url, `${round}-${at}`, { body: large });
        await append(url, `${at};`);
        assert.equal((await readAll(own)).bytes.length, large.length);
      });
      await Promise.all(bodies);
    }
    const [row] = await admin`select count(*)::int as n from pg_stat_activity
      where usename = ${role}`;
    assert.ok(row!.n <= 3);
  });
});

Deno.test("a table that is locked for long: statement timeouts, 503 for every request, and recovery", async () => {
  await withNode([], async ({ node, admin }) => {
    const prepared = await prepare(node);
    const locked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const holding = admin.begin(async (transaction) => {
      await transaction.unsafe(
        "lock table penstock.streams, penstock.subscriptions in access exclusive mode",
      );
      locked.resolve();
      await release.promise;
    });
    await locked.promise;
    const all = Object.entries(requests(prepared)).filter(([what]) => what !== "ready");
    await Promise.all(all.map(([what, send]) => expectUnavailable(what, send())));
    release.resolve();
    await holding;
    await expectRecovered(prepared);
  });
});

Deno.test("who waits behind a commit that has its whole time is answered with it", async () => {
  await withNode([], async ({ node, admin, role }) => {
    const [held, free] = [await createStream(node.url), await createStream(node.url)];
    const locked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const holding = admin.begin(async (transaction) => {
      const path = new URL(held).pathname.replace("/v1/stream/", "");
      await transaction`select pg_advisory_xact_lock(penstock.lock_key(id))
        from penstock.streams where path = ${path}`;
      locked.resolve();
      await release.promise;
    });
    await locked.promise;
    await using _ = { [Symbol.asyncDispose]: () => (release.resolve(), holding) };
    const answered = async (url: string) => {
      const response = await fetch(url, { method: "POST", headers: plain, body: "x" });
      await response.body?.cancel();
      return { status: response.status, at: performance.now() };
    };
    const first = answered(held);
    await eventually(ANSWER_MS, "the commit, waiting for the lock", async () => {
      const [row] = await admin`select count(*)::int as n from pg_stat_activity
        where usename = ${role} and wait_event_type = 'Lock'`;
      return row!.n > 0 || undefined;
    });
    const behind = [answered(held), answered(held)];
    assert.equal((await answered(free)).status, 204, "another stream's goes on");
    const { status, at } = await first;
    assert.equal(status, 503);
    for (const late of await Promise.all(behind)) {
      assert.equal(late.status, 503);
      // A commit of its own would have taken a second more.
      assert.ok(late.at - at < 500, `${late.at - at} ms later`);
    }
    release.resolve();
    await holding;
    assert.equal((await answered(held)).status, 204);
  });
});

Deno.test("sessions that are terminated under load: 503 at worst, nothing acked is lost or doubled", async () => {
  await withNode([], async ({ node, admin, role }) => {
    const url = await createStream(node.url);
    const acked: string[] = [];
    let over = false;
    const writers = [0, 1, 2, 3, 4, 5].map(async (writer) => {
      for (let n = 0; !over; n++) {
        const body = `${writer}.${n};`;
        const answer = fetch(url, { method: "POST", headers: plain, body });
        const response = await within(ANSWER_MS, "an append's answer", answer);
        await response.body?.cancel();
        if (response.status === 204) acked.push(body);
        else assert.equal(response.status, 503);
      }
    });
    for (let round = 0; round < 10; round++) {
      const goal = acked.length + 20;
      await eventually(RECOVERY_MS, "20 acks", () => acked.length >= goal || undefined);
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
    }
    over = true;
    await Promise.all(writers);
    // The last connections to be cut may be found to be so only now.
    const whole = await eventually(
      RECOVERY_MS,
      "a read",
      () => readAll(url).catch(() => undefined),
    );
    const there = whole.text.split(/(?<=;)/);
    assert.equal(new Set(there).size, there.length, "an append is there twice");
    const missing = acked.filter((body) => !there.includes(body));
    assert.deepEqual(missing, []);
  });
});

Deno.test("a commit whose answer is lost: 503, never a guess, and the producer's retry is exact", async () => {
  const fresh = await freshDatabase();
  const proxy = await Proxy.start(fresh.url);
  const args = [...TIMEOUT, "--database-connections", "2", "--listen-url", fresh.url];
  const node = await startServer({ database: { url: proxy.url }, args });
  const other = await startServer({ database: { url: fresh.url } });
  try {
    const url = await createStream(node.url);
    const atOther = other.url + new URL(url).pathname;
    let committedUnseen = 0;
    for (let seq = 0; seq < 60 && committedUnseen < 3; seq++) {
      await eventually(RECOVERY_MS, "an ack", async () => {
        // Also prepares the statement on the connections: what is cut below is the commit.
        const warm = await fetch(url, { method: "POST", headers: plain, body: `w${seq};` });
        await warm.body?.cancel();
        return warm.status === 204 || undefined;
      });
      const before = (await readAll(atOther)).text;
      proxy.set("deaf");
      await expectUnavailable("append", produce(url, { id: "p", epoch: 0, seq }, `p${seq};`));
      proxy.set("open");
      if ((await readAll(atOther)).text !== before) committedUnseen++;
      const answer = await eventually(RECOVERY_MS, "the retry's answer", async () => {
        const response = await produce(url, { id: "p", epoch: 0, seq }, `p${seq};`);
        await response.body?.cancel();
        return response.ok ? response.status : undefined;
      });
      assert.ok(answer === 200 || answer === 204);
    }
    assert.equal(committedUnseen, 3, "no commit took place whose answer was lost");
    const parts = (await readAll(atOther)).text.split(/(?<=;)/).filter((part) => part[0] === "p");
    assert.deepEqual(parts, parts.map((_, seq) => `p${seq};`));
    assert.equal((await readAll(url)).text, (await readAll(atOther)).text);
  } finally {
    await node.kill();
    await other.kill();
    proxy.stop();
    await fresh.drop();
  }
});

const MAY_MOUNT = process.platform === "linux" && userInfo().uid === 0;

Deno.test({
  name: "the disk is full: writes get 503, reads go on, nothing acked is lost, and room mends it",
  // A disk of a few megabytes takes the right to mount one.
  ignore: !MAY_MOUNT,
  async fn() {
    const own = await startOwnPostgres();
    const admin = postgres(own.url, { max: 1, onnotice: () => {} });
    const disk = mkdtempSync(join(tmpdir(), "penstock-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]);
    let node: RunningServer | undefined;
    try {
      const [row] = await admin`show data_directory`;
      const { uid, gid } = statSync(row!.data_directory);
      chownSync(disk, uid, gid);
      await admin.unsafe(`create tablespace small location '${disk}'`);
      await admin.unsafe("create database small template template0 tablespace small");
      const url = new URL(own.url);
      url.pathname = "/small";
      node = await startServer({ database: { url: url.href }, args: TIMEOUT });
      const stream = await createStream(node.url);
      // Something to take away later.
      writeFileSync(join(disk, "ballast"), new Uint8Array(4 << 20));
      let acked = 0;
      const chunk = new Uint8Array(512 << 10).fill(120);
      while (true) {
        const send = fetch(stream, { method: "POST", headers: plain, body: chunk });
        const response = await within(2 * ANSWER_MS, "an append's answer", send);
        const text = await response.text();
        if (response.status !== 204) {
          assert.equal(response.status, 503, text);
          assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
          break;
        }
        acked += chunk.length;
        assert.ok(acked < 48 << 20, "the disk does not fill");
      }
      assert.ok(acked > 0);
      assert.equal((await readAll(stream)).bytes.length, acked);
      rmSync(join(disk, "ballast"));
      await eventually(RECOVERY_MS, "an ack", async () => {
        const response = await fetch(stream, { method: "POST", headers: plain, body: "end" });
        await response.body?.cancel();
        return response.status === 204 || undefined;
      });
      const { bytes } = await readAll(stream);
      assert.equal(bytes.length, acked + 3);
    } finally {
      await node?.kill();
      await admin.end();
      await own.stop();
      execFileSync("umount", ["-l", disk]);
      rmdirSync(disk);
    }
  },
});
