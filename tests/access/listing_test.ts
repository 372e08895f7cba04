/** The listing under access control: what a principal may not list leaves no trace in it. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { type Entry, pathsOf } from "../system/listing.ts";
import { serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, makeToken, secretFiles } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());

const guarded = serverForThisFile("postgres", {
  args: ["--admin-token-file", files.path("admin")],
});

Deno.test("a principal sees what its rules let it list, and no sign of anything else", async () => {
  const base = guarded.url;
  const paths = ["a", "a/1", "a/1/x", "a/2", "a/2/x", "a-b", "b/1", "b/1/x", "c"];
  for (const path of paths) {
    const created = await ask(`${base}/v1/stream/${path}`, {
      method: "PUT",
      token: ADMIN,
      body: "x",
    });
    assert.equal(created.status, 201);
  }
  const list = async (token: string, query: string) => {
    const response = await fetch(`${base}/v1/stream/__ds/${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: response.status, body: await response.json() };
  };
  const seen = async (token: string, query = "") => {
    const found: string[] = [];
    for (let after: string | null = ""; after !== null;) {
      const { status, body } = await list(token, `streams?limit=1&after=${after}&${query}`);
      assert.equal(status, 200);
      found.push(...pathsOf(body.streams));
      after = body.next_after as string | null;
      assert.ok(after === null || found.includes(after), `${after} is a path that it sees`);
    }
    return found;
  };
  const rules: [string, string[], string[]][] = [
    ["all", ["list:**"], paths.toSorted()],
    ["a", ["list:a/**"], ["a", "a/1", "a/1/x", "a/2", "a/2/x"]],
    ["middle", ["list:*/1/**"], ["a/1", "a/1/x", "b/1", "b/1/x"]],
    ["two", ["list:a/*", "list:c", "list:a/1"], ["a/1", "a/2", "c"]],
    ["ends", ["list:**/x"], ["a/1/x", "a/2/x", "b/1/x"]],
  ];
  for (const [name, given, expected] of rules) {
    const token = await makeToken(base, name, given);
    assert.deepEqual(await seen(token), expected, name);
    assert.deepEqual(await seen(token, "prefix=a/"), expected.filter((p) => p.startsWith("a/")));
    assert.deepEqual(
      await seen(token, "prefix=a/1/"),
      expected.filter((p) => p.startsWith("a/1/")),
    );
    for (const path of paths) {
      const { status } = await list(token, `streams/${path}`);
      assert.equal(status, expected.includes(path) ? 200 : 403, `${name}: ${path}`);
    }
  }
  for (const [path, source] of [["a/3", "a/1"], ["b/2", "a/1"]]) {
    const headers = { "stream-forked-from": source! };
    const forked = await ask(`${base}/v1/stream/${path}`, { method: "PUT", token: ADMIN, headers });
    assert.equal(forked.status, 201);
  }
  const forks = await makeToken(base, "forks", ["list:a/**"]);
  assert.deepEqual((await list(forks, "streams/a/1")).body.fork_paths, ["a/3"]);
  for (const path of ["a/3", "b/2"]) {
    await ask(`${base}/v1/stream/${path}`, { method: "DELETE", token: ADMIN });
  }
  const a = await makeToken(base, "usage", ["list:a/**"]);
  assert.deepEqual((await list(a, "usage?prefix=a/")).body.streams, 4);
  assert.equal((await list(a, "usage?prefix=a/1")).status, 200);
  for (const prefix of ["", "a", "b/"]) {
    assert.equal((await list(a, `usage?prefix=${prefix}`)).status, 403, prefix);
  }
  const reader = await makeToken(base, "reader", ["read:**"]);
  assert.equal((await list(reader, "streams")).status, 403);
});

Deno.test("where a page stops among streams of others is not told", async () => {
  const base = guarded.url;
  const sql = postgres(guarded.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`insert into penstock.streams (path, content_type)
      select 'many/' || n || '/secret', 'text/plain' from generate_series(1, 15000) n`;
    await sql`insert into penstock.streams (path, content_type) values ('zz/found', 'text/plain')`;
  } finally {
    await sql.end();
  }
  const wild = await makeToken(base, "wild", ["list:*/found"]);
  const within = await makeToken(base, "within", ["list:*/*/found"], { namespace: "many" });
  for (const [token, expected] of [[wild, ["zz/found"]], [within, []]] as const) {
    const found: string[] = [];
    let cursors = 0;
    for (let after: string | null = ""; after !== null;) {
      const query = `limit=1000&after=${encodeURIComponent(after)}`;
      const answer = await ask(`${base}/v1/stream/__ds/streams?${query}`, { token });
      assert.equal(answer.status, 200);
      assert.ok(!JSON.stringify(answer.body).includes("secret"));
      found.push(...pathsOf(answer.body.streams as Entry[]));
      after = answer.body.next_after as string | null;
      if (after?.startsWith("__ds/")) cursors++;
    }
    assert.deepEqual(found, expected);
    assert.ok(cursors >= 1);
  }
  const forged = await ask(`${base}/v1/stream/__ds/streams?after=__ds/AAAA`, { token: wild });
  assert.deepEqual([forged.status, forged.code], [400, "INVALID_REQUEST"]);
});
