/** Probe of `@durable-streams/state`: a StreamDB in each live mode, and the state it ends with. */
import assert from "node:assert/strict";
import process from "node:process";
import { DurableStream, stream } from "@durable-streams/client";
import { createStateSchema, MaterializedState } from "@durable-streams/state";
import { createStreamDB } from "@durable-streams/state/db";
import { base, killServer, report } from "./steps.mts";

interface User {
  readonly id: string;
  readonly name: string;
}

const url = `${base}/state-probe`;
const contentType = "application/json";
const user = {
  "~standard": {
    version: 1 as const,
    vendor: "probe",
    validate: (value: unknown) => ({ value: value as User }),
  },
};
const schema = createStateSchema({
  users: { schema: user, type: "user", primaryKey: "id" },
});

const handle = await DurableStream.create({ url, contentType });
report("create");

/** Appends a change; the id of its transaction. */
async function change(operation: "insert" | "update", value: User): Promise<string> {
  const txid = crypto.randomUUID();
  await handle.append(JSON.stringify(schema.users[operation]({ value, headers: { txid } })));
  return txid;
}

await change("insert", { id: "1", name: "Ada" });
await change("insert", { id: "2", name: "Grace" });
await handle.append(JSON.stringify(schema.users.delete({ key: "2" })));
report("append");

const state = new MaterializedState();
const events = await (await stream({ url, offset: "-1", live: false })).json();
for (const event of events) state.apply(event as never);
assert.deepEqual([...state.getType("user").values()], [{ id: "1", name: "Ada" }]);
report("read");

async function openDatabase(live: "long-poll" | "sse", name = "Ada") {
  const database = createStreamDB({ streamOptions: { url, contentType }, live, state: schema });
  await database.preload();
  assert.equal(database.collections.users.get("1")?.name, name);
  return { live: live as string, database };
}
const polled = await openDatabase("long-poll");
const pushed = await openDatabase("sse");

type Opened = typeof polled;

async function seen({ live, database }: Opened, txid: string, value: User): Promise<void> {
  await database.utils.awaitTxId(txid, 15_000);
  assert.equal(database.collections.users.get(value.id)?.name, value.name);
  assert.equal(database.collections.users.size, 1);
  report(live);
}

const married = { id: "1", name: "Ada Lovelace" };
let txid = await change("update", married);
await seen(polled, txid, married);
await seen(pushed, txid, married);

await killServer();
const titled = { id: "1", name: "Countess of Lovelace" };
// By SSE a StreamDB of version 0.3.1 ends with its connection: the application opens another.
pushed.database.close();
const reopened = await openDatabase("sse", married.name);
txid = await change("update", titled);
report("append-after-restart");
await seen({ ...polled, live: "long-poll-resumed" }, txid, titled);
await seen({ ...reopened, live: "sse-reopened" }, txid, titled);
process.exit(0);
