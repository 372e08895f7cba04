/** The workers of docs/subscriptions.md, run as they stand there, on both runtimes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { bunExecutable } from "../support/server.ts";
import { eventually, freePort, serverForThisFile, within } from "../system/support.ts";
import { appendTo, stream, Subscription } from "./support.ts";

const node = serverForThisFile("postgres", {
  args: ["--long-poll-timeout", "1s", "--webhook-allow", "localhost"],
});
const PAGE = readFileSync(join(import.meta.dirname!, "../../docs/subscriptions.md"), "utf8");

/** The code block of this name; and the configuration in the curl command before it. */
function example(name: string): { code: string; configuration: Record<string, unknown> } {
  const start = PAGE.indexOf("```ts " + name + "\n");
  assert.ok(start > 0, `no example ${name}`);
  const from = PAGE.indexOf("\n", start) + 1;
  const code = PAGE.slice(from, PAGE.indexOf("\n```", from) + 1);
  const bodies = [...PAGE.slice(0, start).matchAll(/-d '(\{.*\})'/g)];
  return { code, configuration: JSON.parse(bodies.at(-1)![1]!) };
}

/** Runs the code until `use` ends; hands on the lines it prints. */
async function withWorker(
  code: string,
  runtime: "deno" | "bun",
  environment: Record<string, string>,
  use: (nextLine: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-docs-"));
  const file = join(folder, "worker.ts");
  writeFileSync(
    file,
    `import process from "node:process";\nimport { Buffer } from "node:buffer";\n${code}`,
  );
  const [command, args] = runtime === "deno"
    ? [process.execPath, ["run", "-A", "--no-lock", file]]
    : [await bunExecutable(), ["run", file]];
  const child = spawn(command, args, {
    env: { ...process.env, STREAMS_URL: `${node.url}/v1/stream`, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = new Promise((resolve) => child.once("close", resolve));
  try {
    await use(async () => {
      const { value, done } = await within(15_000, "a line of the worker", lines.next());
      assert.ok(done !== true, "the worker ended");
      return value;
    });
  } finally {
    child.kill("SIGKILL");
    await closed;
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`the webhook receiver of the docs works on ${runtime}`, async () => {
    const { code, configuration } = example("webhook");
    const port = await freePort();
    await withWorker(code, runtime, { PORT: String(port) }, async (nextLine) => {
      const subscription = new Subscription(node.url, `mailer-${runtime}`);
      const folder = `orders-${runtime}`;
      await subscription.create({
        ...configuration,
        pattern: `${folder}/*`,
        webhook: { url: `http://127.0.0.1:${port}/hook` },
      });
      const path = await stream(node.url, `${folder}/1`, { order: 1 });
      assert.equal(await nextLine(), `${path} {"order":1}`);
      const offset = await appendTo(node.url, path, { order: 2 });
      assert.equal(await nextLine(), `${path} {"order":2}`);
      await eventually(
        5000,
        "the ack",
        async () => await subscription.acked(path) === offset || undefined,
      );
      const forged = await fetch(`http://127.0.0.1:${port}/hook`, { method: "POST", body: "{}" });
      assert.equal(forged.status, 401);
      await forged.body?.cancel();
    });
  });

  Deno.test(`the pull-wake worker of the docs works on ${runtime}`, async () => {
    const { code, configuration } = example("pull-wake");
    const wake = `wake-${runtime}`;
    const folder = `orders-${runtime}-pull`;
    await stream(node.url, wake);
    const subscription = new Subscription(node.url, `indexer-${runtime}`);
    await subscription.create({ ...configuration, pattern: `${folder}/*`, wake_stream: wake });
    const named = code.replace("/indexer`", `/${subscription.id}\``).replace("/wake?", `/${wake}?`);
    await withWorker(named, runtime, {}, async (nextLine) => {
      const path = await stream(node.url, `${folder}/1`, { order: 1 });
      assert.equal(await nextLine(), `${path} {"order":1}`);
      const offset = await appendTo(node.url, path, { order: 2 });
      assert.equal(await nextLine(), `${path} {"order":2}`);
      await eventually(
        5000,
        "the ack",
        async () => await subscription.acked(path) === offset || undefined,
      );
    });
  });
}
