/** Notifications between nodes, over a real LISTEN, and when there are none. */
import assert from "node:assert/strict";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { NodeNotifier } from "../../../src/streams/follow/node_notifier.ts";
import { counted } from "../../support/counted_database.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { elapse } from "../../support/waits.ts";

const SILENCE_MS = 500;

/** A node's notifier, started, what it has heard and the NOTIFY statements it has sent. */
async function node(url: string, stack: AsyncDisposableStack) {
  const opened = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  stack.defer(() => opened.close());
  const { database, counts } = counted(opened);
  const heard: number[] = [];
  let gaps = 0;
  let onHeard = () => {};
  const notifier = new NodeNotifier(database, {
    onNotification: (ids) => {
      heard.push(...ids);
      onHeard();
    },
    onGap: () => gaps++,
  }, { silenceMs: SILENCE_MS });
  stack.defer(() => notifier.stop());
  await notifier.start();
  return {
    notifier,
    heard,
    gaps: () => gaps,
    /** Resolves at the next notification. */
    next: () => new Promise<void>((resolve) => onHeard = resolve),
    sent: () => counts.statements.get("pg_notify") ?? 0,
  };
}

/** Notifies until the other node has heard of it. */
async function notifyUntilHeard(
  from: NodeNotifier,
  to: { next(): Promise<void> },
  id: number,
): Promise<void> {
  const heard = to.next();
  const timer = setInterval(() => from.notify(id), 5);
  await heard.finally(() => clearInterval(timer));
}

Deno.test("notifications are sent while a peer listens, and not while there is none", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const one = await node(url, stack);
  await elapse(SILENCE_MS + 10, "after which a node that was not heard is none");
  one.notifier.notify(1);

  // A peer that joins is heard within milliseconds, and notified from then on.
  const other = await node(url, stack);
  assert.equal(one.sent(), 0, "it notified itself");
  await notifyUntilHeard(one.notifier, other, 2);
  assert.ok(other.heard.every((id) => id === 2), "it heard of what came before it");
});

Deno.test("a stopped notifier sends what it gathered, and nothing more until it starts again", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const one = await node(url, stack);
  const other = await node(url, stack);
  await notifyUntilHeard(one.notifier, other, 1);

  other.heard.length = 0;
  const last = other.next();
  one.notifier.notify(2);
  await one.notifier.stop();
  await last;
  assert.equal(other.heard.at(-1), 2);

  const sent = one.sent();
  one.notifier.notify(3);
  await one.notifier.stop();
  assert.equal(one.sent(), sent);

  const gaps = one.gaps();
  await Promise.all([one.notifier.start(), one.notifier.start()]);
  assert.equal(
    one.gaps(),
    gaps + 1,
    "it listens again, once, and says that it may have missed some",
  );
  await notifyUntilHeard(one.notifier, other, 4);
  await notifyUntilHeard(other.notifier, one, 5);
  assert.ok(!other.heard.includes(3));
});
