import assert from "node:assert/strict";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { NodeNotifier } from "../../../src/streams/follow/node_notifier.ts";
import { counted } from "../../support/counted_database.ts";
import { freshDatabase } from "../../support/postgres.ts";

const SILENCE_MS = 500;

/** A node's wake-ups, the hints it hears and the NOTIFY statements it has sent. */
async function node(url: string, stack: AsyncDisposableStack) {
  const opened = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  stack.defer(() => opened.close());
  const { database, counts } = counted(opened);
  const wakeups = new NodeNotifier(database, SILENCE_MS);
  const heard: number[] = [];
  let onNotification = () => {};
  await wakeups.start({
    onNotification: (ids) => {
      heard.push(...ids);
      onNotification();
    },
    onGap: () => {},
  });
  stack.defer(() => wakeups.stop());
  return {
    wakeups,
    heard,
    hint: () => new Promise<void>((resolve) => onNotification = resolve),
    sent: () => counts.statements.get("pg_notify") ?? 0,
  };
}

Deno.test("hints are sent while another node listens, and not while none does", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const one = await node(url, stack);
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS + 10));
  one.wakeups.notify(1);

  // One that joins is heard within milliseconds, and told from then on.
  const other = await node(url, stack);
  assert.equal(one.sent(), 0, "it told itself");
  const hint = other.hint();
  const telling = setInterval(() => one.wakeups.notify(2), 5);
  await hint.finally(() => clearInterval(telling));
  assert.ok(other.heard.every((id) => id === 2), "it was told of what came before it");
});
