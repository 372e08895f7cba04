/** `penstock healthcheck` asks where the server of the same settings says whether it is ready. */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandOf, type Runtime, startServer } from "../support/server.ts";
import { freePort, freshStorage } from "./support.ts";

const HAS_OPENSSL = spawnSync("openssl", ["version"]).status === 0;

/** How it ends, and what it prints. */
async function healthcheck(
  runtime: Runtime,
  args: readonly string[],
): Promise<[code: number | null, output: string]> {
  const { command, args: before } = await commandOf(runtime, {});
  const child = spawn(command, [...before, "healthcheck", ...args], { stdio: "pipe" });
  let output = "";
  child.stdout.on("data", (chunk: Uint8Array) => output += new TextDecoder().decode(chunk));
  const [code] = await once(child, "close") as [number | null];
  return [code, output];
}

async function expectHealthcheck(runtime: Runtime, args: readonly string[]): Promise<void> {
  const { database, remove } = await freshStorage("embedded");
  const node = await startServer({ runtime, database, args });
  const settings = [...args, "--port", new URL(node.url).port];
  try {
    assert.deepEqual(await healthcheck(runtime, settings), [0, '{"status":"ready"}\n']);
  } finally {
    await node.kill();
    await remove();
  }
}

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`${runtime}: healthcheck asks the public port, and fails where nothing answers`, async () => {
    await expectHealthcheck(runtime, []);
    const [code, output] = await healthcheck(runtime, ["--port", String(await freePort())]);
    assert.equal(code, 1);
    assert.match(output, /refused|connect/i);
  });

  Deno.test(`${runtime}: healthcheck asks the admin port where there is one`, async () => {
    await expectHealthcheck(runtime, ["--admin-port", String(await freePort())]);
  });

  Deno.test({
    name: `${runtime}: healthcheck asks by HTTPS where the server has a certificate`,
    ignore: !HAS_OPENSSL,
    async fn() {
      const folder = mkdtempSync(join(tmpdir(), "penstock-healthcheck-"));
      const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
      const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
      const files = ["-nodes", "-subj", "/CN=streams.example", "-keyout", key, "-out", cert];
      try {
        execFileSync("openssl", [...kind, ...files], { stdio: "pipe" });
        await expectHealthcheck(runtime, ["--tls-cert", cert, "--tls-key", key]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
}
