/** examples/python_worker: every message is handled, also one that a killed worker had claimed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { append, createStream } from "../support/http.ts";
import { testWith } from "../support/programs/program.ts";
import { eventually, serverForThisFile } from "../system/support.ts";
import { ExampleProcess, EXAMPLES } from "./example_process.ts";

const server = serverForThisFile("postgres");
const json = { contentType: "application/json" };

function startWorker(): ExampleProcess {
  return new ExampleProcess("python3", [join(EXAMPLES, "python_worker", "worker.py")], {
    env: { PENSTOCK_URL: `${server.url}/v1/stream`, PYTHONDONTWRITEBYTECODE: "1" },
  });
}

/** What the workers printed: the handled messages, in the order of each worker. */
function handled(...workers: ExampleProcess[]): string[] {
  return workers.flatMap(({ output }) => output.split("\n").filter((line) => line[0] === "o"));
}

testWith(["python3"], "a Python worker handles each order, and two share them", async () => {
  await using first = startWorker();
  await first.printed(/waiting for orders/);
  const tea = await createStream(server.url, "orders/1", json);
  await append(tea, `[{"item":"tea"},{"item":"milk"}]`, json);
  await first.printed(/^orders\/1 {"item": "milk"}$/m);
  assert.deepEqual(handled(first), [`orders/1 {"item": "tea"}`, `orders/1 {"item": "milk"}`]);

  await using second = startWorker();
  await second.printed(/waiting for orders/);
  for (let n = 2; n <= 20; n++) {
    const url = await createStream(server.url, `orders/${n}`, json);
    await append(url, `{"n":${n}}`, json);
  }
  await eventually(
    20_000,
    "all orders are handled",
    () => handled(first, second).length >= 21 || undefined,
  );
  await eventually(20_000, "the last work is acknowledged", async () => {
    const asked = await fetch(`${server.url}/v1/stream/__ds/subscriptions/order-workers`);
    const { streams } = await asked.json() as { streams: { path: string; acked_offset: string }[] };
    for (const { path, acked_offset } of streams) {
      const head = await fetch(`${server.url}/v1/stream/${path}`, { method: "HEAD" });
      if (head.headers.get("stream-next-offset") !== acked_offset) return undefined;
    }
    return streams.length === 20 || undefined;
  });
  // The first one dies; the other one goes on alone.
  await first.kill();
  await append(tea, `{"item":"sugar"}`, json);
  await second.printed(/^orders\/1 {"item": "sugar"}$/m);
  const all = handled(first, second);
  assert.equal(new Set(all).size, 22);
  assert.equal(all.length, 22);
});
