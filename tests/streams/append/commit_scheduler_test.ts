/** Which queues go into which commit, and when it starts. Commits end when the test says so. */
import assert from "node:assert/strict";
import { SMALL_BYTES } from "../../../src/streams/append/admission.ts";
import { type CommitGroup, CommitScheduler } from "../../../src/streams/append/commit_scheduler.ts";
import type { StreamQueue, StreamWrite } from "../../../src/streams/append/stream_queue.ts";
import { addTo, appendOf, queueOf, streamOf, type TestAppend } from "./appends.ts";

interface Commit extends CommitGroup {
  end(): Promise<void>;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Ends its turn only after all that was scheduled in it. */
async function settled(): Promise<void> {
  for (let n = 0; n < 3; n++) await turn();
}

function scheduling(concurrency = 3) {
  const commits: Commit[] = [];
  const unloaded: StreamQueue[] = [];
  const held: StreamWrite[] = [];
  const released: StreamQueue[][] = [];
  const scheduler: CommitScheduler = new CommitScheduler({
    concurrency,
    commit: (group) =>
      new Promise((resolve) => {
        const end = () => {
          for (const { queue, answers } of group.writes) {
            for (const [{ request }] of answers) queue.bytes -= request.body.length;
          }
          resolve();
          return settled();
        };
        commits.push({ ...group, end });
      }),
    onUnloaded: (queue) => {
      queue.enqueueForLoad();
      unloaded.push(queue);
    },
    onHeld: (write) => held.push(write),
    onReleased: (queues) => {
      released.push([...queues]);
      for (const queue of queues) if (queue.waiting.length > 0) scheduler.enqueue(queue);
    },
  });
  return { scheduler, commits, unloaded, held, released };
}

const small = (id: number, ...appends: TestAppend[]) =>
  queueOf(streamOf({ id }), ...(appends.length > 0 ? appends : [appendOf("x")]));
const large = (id: number, bytes = SMALL_BYTES + 1) =>
  queueOf(streamOf({ id }), appendOf(new Uint8Array(bytes)));
const idsOf = ({ writes }: CommitGroup) => writes.map(({ stream }) => stream.id);

Deno.test("CommitScheduler takes together what is enqueued in one turn, by stream id", async () => {
  const { scheduler, commits } = scheduling();
  for (const id of [3, 1, 2]) scheduler.enqueue(small(id));
  assert.equal(commits.length, 0);
  await settled();
  assert.deepEqual(commits.map(idsOf), [[1, 2, 3]]);
  assert.equal(scheduler.commitsStarted, 1);
  assert.equal(commits[0]!.startedBefore, 0);
  assert.ok(commits[0]!.queues.every((queue) => queue.state === "committing"));
  await commits[0]!.end();
  assert.ok(commits[0]!.queues.every((queue) => queue.state === "idle"));
});

Deno.test("CommitScheduler takes 256 streams into a commit at most: each of them takes a lock", async () => {
  const { scheduler, commits } = scheduling();
  for (let id = 0; id < 600; id++) scheduler.enqueue(small(id));
  await settled();
  assert.deepEqual(commits.map(({ queues }) => queues.length), [256, 256, 88]);
});

Deno.test("CommitScheduler starts no more commits than its limit, and the next when one ends", async () => {
  for (const [concurrency, limit] of [[1, 1], [2, 2], [10, 3]] as const) {
    const { scheduler, commits } = scheduling(concurrency);
    for (let id = 0; id < 5; id++) {
      scheduler.enqueue(small(id));
      await settled();
    }
    assert.equal(commits.length, limit);
    await commits[0]!.end();
    assert.equal(commits.length, limit + 1);
    // Whatever had to wait goes together.
    assert.deepEqual(idsOf(commits[limit]!), [0, 1, 2, 3, 4].slice(limit));
  }
});

Deno.test("CommitScheduler has a queue in one commit at a time, what waits meanwhile in the next", async () => {
  const { scheduler, commits, released } = scheduling();
  const queue = small(1);
  scheduler.enqueue(queue);
  await settled();
  addTo(queue, appendOf("later"), appendOf("later"));
  await settled();
  assert.equal(commits.length, 1);
  await commits[0]!.end();
  assert.deepEqual(released, [[queue]]);
  assert.equal(commits.length, 2);
  assert.equal(commits[1]!.writes[0]!.answers.length, 2);
});

Deno.test("CommitScheduler starts without a turn of the event loop at low concurrency only", async () => {
  const { scheduler, commits } = scheduling();
  const queue = small(1);
  const startsAtOnce = async () => {
    const before = commits.length;
    scheduler.enqueue(queue);
    await Promise.resolve();
    await Promise.resolve();
    const atOnce = commits.length > before;
    await settled();
    return atOnce;
  };
  assert.equal(await startsAtOnce(), false, "nothing is known of how many come");
  await commits.at(-1)!.end();
  addTo(queue, appendOf("x"));
  assert.equal(await startsAtOnce(), true, "the last commit carried one, and nothing waited");
  await commits.at(-1)!.end();
  addTo(queue, appendOf("x"), appendOf("x"));
  assert.equal(await startsAtOnce(), true);
  await commits.at(-1)!.end();
  addTo(queue, appendOf("x"));
  assert.equal(await startsAtOnce(), false, "the last commit carried two");
});

Deno.test("CommitScheduler never skips the turn on a database that runs on this thread", async () => {
  const { scheduler, commits } = scheduling(1);
  const queue = small(1);
  for (let n = 0; n < 2; n++) {
    scheduler.enqueue(queue);
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(commits.length, n);
    await settled();
    await commits[n]!.end();
    addTo(queue, appendOf("x"));
  }
});

Deno.test("CommitScheduler keeps one commit for queues with little to write", async () => {
  const { scheduler, commits } = scheduling();
  for (let id = 0; id < 4; id++) {
    scheduler.enqueue(large(id, 9 << 20));
    await settled();
  }
  assert.equal(commits.length, 2);
  scheduler.enqueue(small(9));
  await settled();
  assert.deepEqual(commits.map(idsOf), [[0], [1], [9]]);
  await commits[2]!.end();
  assert.equal(commits.length, 3, "two large commits are in flight");
  await commits[0]!.end();
  assert.deepEqual(idsOf(commits[3]!), [2]);
});

Deno.test("CommitScheduler fills half a commit with small queues, and the rest with large ones", async () => {
  const { scheduler, commits } = scheduling(1);
  // Two MiB a commit where the database runs on this thread.
  for (let id = 1; id <= 40; id++) scheduler.enqueue(large(id, SMALL_BYTES));
  scheduler.enqueue(large(100, 512 << 10));
  await settled();
  const ids = idsOf(commits[0]!);
  assert.ok(ids.includes(100));
  assert.equal(ids.length, 16 + 1 + 8, "16 are a half, one large, and then small ones again");
});

Deno.test("CommitScheduler hands back a queue that is not loaded any longer", async () => {
  const { scheduler, commits, unloaded } = scheduling();
  const [invalid, valid] = [small(1), small(2)];
  scheduler.enqueue(invalid);
  scheduler.enqueue(valid);
  invalid.invalidate();
  await settled();
  assert.deepEqual(unloaded, [invalid]);
  assert.deepEqual(commits.map(idsOf), [[2]]);
});

Deno.test("CommitScheduler starts no commit when all appends are held", async () => {
  const { scheduler, commits, held, released } = scheduling();
  const queue = small(1, appendOf("x", { producer: { id: "p", epoch: 0, seq: 4 } }));
  queue.setProducer("p", null);
  scheduler.enqueue(queue);
  await settled();
  assert.equal(commits.length, 0);
  assert.equal(scheduler.commitsStarted, 0);
  assert.deepEqual(held.map((write) => write.held.length), [1]);
  assert.deepEqual(released, [[queue]]);
  assert.equal(queue.state, "idle");
});

Deno.test("CommitScheduler leaves out a queue whose appends a defect kept from being decided", async () => {
  const { scheduler, commits } = scheduling();
  const broken = small(1);
  broken.decideWaiting = () => {
    broken.waiting = [];
    return null;
  };
  scheduler.enqueue(broken);
  scheduler.enqueue(small(2));
  await settled();
  assert.deepEqual(commits.map(idsOf), [[2]]);
  await commits[0]!.end();
  assert.equal(broken.state, "idle");
});
