/** PUT: which streams are as asked for (section 5.1), and how long a fork lives (section 4.2). */
import assert from "node:assert/strict";
import { Overloaded } from "../../../src/errors.ts";
import type { Database } from "../../../src/storage/database.ts";
import {
  type CreateRequest,
  Creator,
  differs,
  initialBody,
  type PreparedCreate,
  selectBatch,
} from "../../../src/streams/lifecycle/create.ts";
import { CreationAdmission } from "../../../src/streams/lifecycle/creation_admission.ts";
import { createFork, type ForkParts, lifetimeOf } from "../../../src/streams/lifecycle/fork.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function streamOf(parts: Partial<StreamState> = {}): StreamState {
  return {
    contentType: "text/plain",
    closed: false,
    ttlSeconds: null,
    expiresAtMs: null,
    expiryInherited: false,
    sourcePath: null,
    forkAnchor: null,
    forkPosition: null,
    sources: [] as const,
    forkSubOffset: null,
    ...parts,
  } as StreamState;
}

function requestOf(parts: Partial<CreateRequest> = {}): CreateRequest {
  return {
    path: "s",
    contentType: "text/plain",
    ttlSeconds: null,
    expiresAtMs: null,
    closed: false,
    body: new Uint8Array(0),
    fork: null,
    ...parts,
  };
}

const forkOf = (anchor: number | null, subOffset = 0, sourcePath = "source") => ({
  fork: {
    sourcePath,
    anchor: anchor === null ? null : { position: anchor, generation: anchor === 0 ? 0 : 3 },
    subOffset,
  },
});
const FORK = {
  ...{ sourcePath: "source", forkAnchor: 8, forkSubOffset: 3, forkPosition: 11 },
  sources: [{ id: 3, from: 0 }],
};

Deno.test("differs finds a stream that is as asked for", () => {
  const rows: [Partial<StreamState>, Partial<CreateRequest>][] = [
    [{}, {}],
    [{ contentType: "Text/Plain; charset=utf-8" }, {}],
    [{ contentType: "application/octet-stream" }, { contentType: null }],
    [{ ttlSeconds: 60 }, { ttlSeconds: 60 }],
    [{ ttlSeconds: 0 }, { ttlSeconds: 0 }],
    [{ expiresAtMs: 1000 }, { expiresAtMs: 1000 }],
    [{ closed: true }, { closed: true }],
    // What was written since is no part of the configuration.
    [{ tail: 500 }, { body: bytesOf("first") }],
    [FORK, forkOf(8, 3)],
    // A fork without Content-Type has its source's, whatever that is.
    [{ ...FORK, contentType: "application/json" }, { contentType: null, ...forkOf(8, 3) }],
    // Without Stream-Fork-Offset it was made at the tail of then, which nobody knows now.
    [FORK, forkOf(null, 3)],
    [{ ...FORK, forkSubOffset: null }, forkOf(8)],
    [{ ...FORK, forkSubOffset: 0 }, forkOf(8)],
  ];
  for (const [stream, request] of rows) {
    const message = JSON.stringify([stream, request]);
    assert.equal(differs(streamOf(stream), requestOf(request)), null, message);
  }
});

Deno.test("differs names the first part that is not as asked for", () => {
  const rows: [Partial<StreamState>, Partial<CreateRequest>, string][] = [
    [{}, { contentType: "text/html" }, "content type"],
    [{}, { contentType: null }, "content type"],
    [{ ttlSeconds: 60 }, { ttlSeconds: 61 }, "TTL"],
    [{ ttlSeconds: 60 }, {}, "TTL"],
    [{}, { ttlSeconds: 0 }, "TTL"],
    [{ expiresAtMs: 1000 }, { expiresAtMs: 1001 }, "expiry"],
    [{ expiresAtMs: 1000 }, {}, "expiry"],
    [{}, { expiresAtMs: 0 }, "expiry"],
    [{ closed: true }, {}, "closure status"],
    [{}, { closed: true }, "closure status"],
    [FORK, {}, "fork source"],
    [{}, forkOf(8, 3), "fork source"],
    [FORK, forkOf(8, 3, "other"), "fork source"],
    [FORK, forkOf(9, 3), "fork offset"],
    [FORK, forkOf(0, 3), "fork offset"],
    [FORK, forkOf(8, 2), "fork sub-offset"],
    [FORK, forkOf(8), "fork sub-offset"],
    [FORK, { contentType: "text/html", ...forkOf(8, 3) }, "content type"],
    [FORK, { closed: true, ...forkOf(8, 3) }, "closure status"],
  ];
  for (const [stream, request, expected] of rows) {
    const message = JSON.stringify([stream, request]);
    assert.equal(differs(streamOf(stream), requestOf(request)), expected, message);
  }
});

Deno.test("differs lets a fork that asks for no expiry keep what it inherited", () => {
  for (const lifetime of [{ ttlSeconds: 60 }, { expiresAtMs: 1000 }]) {
    const inherited = streamOf({ ...FORK, ...lifetime, expiryInherited: true });
    const name = "ttlSeconds" in lifetime ? "TTL" : "expiry";
    assert.equal(differs(inherited, requestOf(forkOf(8, 3))), null);
    // The same asked for by name is the same; another one is not.
    assert.equal(differs(inherited, requestOf({ ...lifetime, ...forkOf(8, 3) })), null);
    const other = { ttlSeconds: null, expiresAtMs: null };
    for (const [key, value] of Object.entries(lifetime)) Object.assign(other, { [key]: value + 1 });
    assert.equal(differs(inherited, requestOf({ ...other, ...forkOf(8, 3) })), name);
    // A fork that asked for it itself does not match a request that asks for none.
    const own = streamOf({ ...FORK, ...lifetime });
    assert.equal(differs(own, requestOf(forkOf(8, 3))), name);
    // Nor does a request for a stream that is no fork: it asks for a stream without expiry.
    assert.equal(differs(inherited, requestOf()), name);
  }
});

Deno.test("lifetimeOf is the fork expiry table of section 4.2", () => {
  const none = { ttlSeconds: null, expiresAtMs: null };
  const ttl = (ttlSeconds: number) => ({ ttlSeconds, expiresAtMs: null });
  const at = (expiresAtMs: number) => ({ ttlSeconds: null, expiresAtMs });
  const rows = [
    [none, none, none],
    [none, ttl(5), ttl(5)],
    [none, at(500), at(500)],
    [ttl(60), none, ttl(60)],
    [ttl(60), ttl(5), ttl(5)],
    [ttl(60), at(500), at(500)],
    [at(1000), none, at(1000)],
    [at(1000), ttl(5), ttl(5)],
    // The fork may outlive its source.
    [at(1000), at(2000), at(2000)],
  ] as const;
  for (const [source, request, expected] of rows) {
    assert.deepEqual(
      lifetimeOf(source, request),
      { ...expected, inherited: request === none },
      JSON.stringify({ source, request }),
    );
  }
});

Deno.test("lifetimeOf takes a TTL of 0 as one that was asked for", () => {
  const lifetime = lifetimeOf({ ttlSeconds: 60, expiresAtMs: null }, {
    ttlSeconds: 0,
    expiresAtMs: null,
  });
  assert.deepEqual(lifetime, { ttlSeconds: 0, expiresAtMs: null, inherited: false });
});

Deno.test("initialBody takes no body as no bytes, and an empty array as no messages", async () => {
  assert.deepEqual(await initialBody("application/json", new Uint8Array(0)), new Uint8Array(0));
  assert.deepEqual(await initialBody("application/json", bytesOf("[]")), new Uint8Array(0));
  assert.deepEqual(await initialBody("application/json", bytesOf("[1]")), bytesOf("1\x1e"));
  assert.deepEqual(await initialBody("text/plain", bytesOf("[1]")), bytesOf("[1]"));
  assert.ok(!((await initialBody("application/json", bytesOf("{"))) instanceof Uint8Array));
});

const prepared = (path: string, length = 0): PreparedCreate => ({
  request: requestOf({ path }),
  contentType: "text/plain",
  bytes: new Uint8Array(length),
});

Deno.test("selectBatch takes each path once, those first that have waited longest", () => {
  const waiting = ["b", "a", "b", "c", "a"].map((path) => prepared(path));
  assert.deepEqual(selectBatch(waiting), [waiting[0], waiting[1], waiting[3]]);
});

Deno.test("selectBatch takes as many bodies as one statement should carry, and one at least", () => {
  const MIB = 1 << 20;
  const taken = (...lengths: number[]) =>
    selectBatch(lengths.map((length, at) => prepared(`${at}`, length))).length;
  assert.equal(taken(5 * MIB, 2 * MIB, 2 * MIB, 2 * MIB), 3);
  assert.equal(taken(100 * MIB, 1), 1);
  assert.equal(taken(...new Array(2500).fill(0)), 1000);
});

/** A database whose statements end when the test says so. */
function pendingDatabase() {
  const ends: (() => void)[] = [];
  const query = () => new Promise((_, reject) => ends.push(() => reject(new Error("away"))));
  const database = { concurrency: 1, query, hedged: query } as unknown as Database;
  return { database, ends };
}

Deno.test("CreationAdmission bounds the creations in progress, and gives back what has ended", async () => {
  const admission = new CreationAdmission({ maxCreations: 2, maxBytes: 1000 });
  let end = () => {};
  const pending = () => admission.run(1, () => new Promise<void>((resolve) => end = resolve));
  const running = [pending(), pending()];
  await assert.rejects(pending(), Overloaded);
  end();
  await running[1];
  await admission.run(999, () => Promise.resolve());
  await assert.rejects(admission.run(1, () => Promise.reject(new Error("broken"))), /broken/);
  await admission.run(999, () => Promise.resolve());
});

Deno.test("bodies of creations and of forks are counted together", async () => {
  const { database, ends } = pendingDatabase();
  const admission = new CreationAdmission({ maxCreations: 10, maxBytes: 100 });
  const creator = new Creator(database, admission);
  let loads = 0;
  const stateLoader = {
    load: () => new Promise((_, reject) => (loads++, ends.push(() => reject(new Error("away"))))),
  };
  const parts = { database, admission, stateLoader } as unknown as ForkParts;
  const fork = (length: number) =>
    createFork(parts, { ...requestOf({ body: new Uint8Array(length) }), ...forkOf(0) });
  const create = (length: number) => creator.create(requestOf({ body: new Uint8Array(length) }));

  const forking = fork(60);
  assert.equal(loads, 1);
  await assert.rejects(fork(60), Overloaded);
  await assert.rejects(create(60), Overloaded);
  assert.equal(loads, 1, "nothing is loaded for a fork that is turned away");
  ends[0]!();
  await assert.rejects(forking, /away/);

  const again = fork(60);
  assert.equal(loads, 2);
  ends[1]!();
  await assert.rejects(again, /away/);
});
