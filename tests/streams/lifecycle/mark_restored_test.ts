/** What clients see of streams after `mark_restored`: all as before, and other offsets from there on. */
import assert from "node:assert/strict";
import { startServer } from "../../support/server.ts";
import { dumped, emptyDatabase, loaded } from "../../transfer/support.ts";

const TYPE = { "content-type": "application/json" };

Deno.test("marked streams are as they were, for clients, producers, forks and dumps", async () => {
  await using source = await emptyDatabase();
  let node = await startServer({ database: { url: source.url } });
  const at = (path: string) => `${node.url}/v1/stream/${path}`;
  const send = async (path: string, method: string, headers = {}, body: string | null = null) => {
    const response = await fetch(at(path), { method, headers: { ...TYPE, ...headers }, body });
    const text = await response.text();
    return {
      status: response.status,
      offset: response.headers.get("stream-next-offset") ?? "",
      text,
    };
  };
  const producer = { "producer-id": "p", "producer-epoch": "0" };
  const forkOf = { "stream-forked-from": "/v1/stream/plain" };
  const paths = ["plain", "fork", "empty", "closed", "ordered"];
  const read = () => Promise.all(paths.map((path) => send(path, "GET")));
  // Without what counts the bytes that are a stream's own: those of before are its former row's.
  const entries = async () => {
    const { text } = await send("__ds/streams", "GET");
    return (JSON.parse(text).streams as Record<string, unknown>[])
      .map(({ path, next_offset, labels, closed, ttl_seconds, created_at, forked_from }) => ({
        ...{ path, next_offset, labels, closed, ttl_seconds, created_at, forked_from },
      }));
  };
  const mark = async () => {
    await node.stop();
    const rows = await source.database.query("select * from penstock.mark_restored()");
    node = await startServer({ database: { url: source.url } });
    return rows[0];
  };
  try {
    const labels = { "stream-label-team": "red", "stream-ttl": "86400" };
    assert.equal((await send("plain", "PUT", labels, '["a"]')).status, 201);
    assert.equal(
      (await send("plain", "POST", { ...producer, "producer-seq": "0" }, "1")).status,
      200,
    );
    assert.equal((await send("fork", "PUT", forkOf)).status, 201);
    assert.equal((await send("fork", "POST", {}, '"f"')).status, 204);
    assert.equal((await send("empty", "PUT")).status, 201);
    assert.equal((await send("closed", "PUT", { "stream-closed": "true" }, "[1]")).status, 201);
    assert.equal((await send("ordered", "PUT")).status, 201);
    assert.equal((await send("ordered", "POST", { "stream-seq": "5" }, "1")).status, 204);
    const before = [await read(), await entries()];
    assert.deepEqual(await mark(), { marked: 3, left_as_they_are: 2 });
    assert.deepEqual([await read(), await entries()], before);

    assert.equal(
      (await send("plain", "PUT", labels)).status,
      200,
      "creating it again is no conflict",
    );
    assert.equal((await send("fork", "PUT", forkOf)).status, 200);
    assert.equal(
      (await send("plain", "POST", { ...producer, "producer-seq": "0" }, "1")).status,
      204,
    );
    assert.equal(
      (await send("plain", "POST", { ...producer, "producer-seq": "1" }, "2")).status,
      200,
    );
    assert.equal((await send("ordered", "POST", { "stream-seq": "4" }, "1")).status, 409);
    const tail = before[0]![0] as { offset: string };
    assert.equal((await send(`plain?offset=${tail.offset}`, "GET")).text, "[2]");
    for (const path of ["plain", "fork", "empty"]) {
      const { offset } = await send(path, "POST", {}, '"new"');
      await mark();
      const lost = `9${offset.slice(1)}`;
      const ahead = await send(`${path}?offset=${lost}`, "GET");
      assert([400, 410].includes(ahead.status), ahead.text);
      assert.equal((await send(`${path}?offset=${offset}`, "GET")).text, "[]");
    }
    const [plain, fork] = await read();
    assert.equal(plain!.text, '["a",1,2,"new"]');
    assert.equal(fork!.text, '["a",1,"f","new"]');

    await using target = await emptyDatabase();
    const dump = await dumped(source.database);
    await loaded(target.database, dump);
    assert(dump.equals(await dumped(target.database)));

    for (const path of paths) assert.equal((await send(path, "DELETE")).status, 204);
    const left = await source.database.query(
      "select path from penstock.streams where state <> 'deleted'",
    );
    assert.deepEqual([...left], [], "nothing is left behind");
  } finally {
    await node.stop();
  }
});
