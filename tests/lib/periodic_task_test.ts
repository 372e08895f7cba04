import assert from "node:assert/strict";
import { PeriodicTask } from "../../src/lib/periodic_task.ts";
import { elapse } from "../support/waits.ts";

/** A task whose runs end when the test says so. */
function controlled(options: { pauseMs: number; firstMs?: number; errorPauseMs?: number }) {
  const runs: { end: (pause?: number) => void; fail: (error: Error) => void }[] = [];
  const errors: unknown[] = [];
  let onRun = () => {};
  const { errorPauseMs, ...given } = options;
  const task = new PeriodicTask({
    ...given,
    onError: (error) => {
      errors.push(error);
      return errorPauseMs;
    },
    run: () =>
      new Promise<void | number>((resolve, reject) => {
        runs.push({ end: resolve, fail: reject });
        onRun();
      }),
  });
  const run = async (count: number) => {
    while (runs.length < count) await new Promise<void>((resolve) => onRun = resolve);
    return runs[count - 1]!;
  };
  return { task, run, runs, errors };
}

Deno.test("PeriodicTask runs again after each run, also after one that throws", async () => {
  const { task, run, errors } = controlled({ pauseMs: 1, firstMs: 0 });
  await task.start();
  (await run(1)).end();
  (await run(2)).fail(new Error("a bad run"));
  const third = await run(3);
  assert.deepEqual(errors.map(String), ["Error: a bad run"]);
  third.end();
  await task.stop();
});

Deno.test("stop waits for the run in progress, and no run follows", async () => {
  const { task, run, runs } = controlled({ pauseMs: 0, firstMs: 0 });
  await task.start();
  const first = await run(1);
  let stopped = false;
  const stop = task.stop().then(() => stopped = true);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert(!stopped);
  first.end();
  await stop;
  await elapse(5, "in which a run that may not come would begin");
  assert.equal(runs.length, 1);
});

Deno.test("runIn brings the next run forward, also while one is in progress", async () => {
  const { task, run } = controlled({ pauseMs: 3_600_000 });
  await task.start();
  task.runIn(0);
  const first = await run(1);
  task.runIn(0);
  first.end();
  (await run(2)).end(0);
  (await run(3)).end();
  await task.stop();
});

Deno.test("a task whose pause is Infinity runs only when it is asked to", async () => {
  const { task, run, runs } = controlled({ pauseMs: Infinity });
  await task.start();
  await elapse(5, "in which a run that may not come would begin");
  assert.equal(runs.length, 0);
  task.runIn(0);
  (await run(1)).end();
  await task.stop();
  assert.equal(runs.length, 1);
});

Deno.test("runIn does not shorten the pause after a failed run", async () => {
  const { task, run, runs } = controlled({ pauseMs: 0, firstMs: 0, errorPauseMs: 3_600_000 });
  await task.start();
  const first = await run(1);
  task.runIn(0);
  first.fail(new Error("away"));
  await new Promise<void>((resolve) => setImmediate(resolve));
  task.runIn(0);
  await elapse(5, "in which a run that may not come would begin");
  assert.equal(runs.length, 1);
  await task.stop();
});

Deno.test("runIn of a task that is not running does nothing", async () => {
  const { task, runs } = controlled({ pauseMs: 3_600_000 });
  task.runIn(0);
  await task.start();
  await task.stop();
  task.runIn(0);
  await elapse(5, "in which a run that may not come would begin");
  assert.equal(runs.length, 0);
});
