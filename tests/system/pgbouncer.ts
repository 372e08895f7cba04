/** A real PgBouncer in transaction mode, on machines that have one. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./support.ts";

export const HAS_PGBOUNCER = spawnSync("pgbouncer", ["--version"]).status === 0;

/** It refuses to run as root. */
function account(): { uid?: number } {
  if (userInfo().uid !== 0) return {};
  return { uid: Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" })) };
}

/** With the settings it comes with, in front of the server of this URL. */
export async function startPgBouncer(
  databaseUrl: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const url = new URL(databaseUrl);
  const folder = mkdtempSync(join(tmpdir(), "penstock-pgbouncer-"));
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(
    file,
    `[databases]
* = host=${url.hostname} port=${url.port || 5432} user=${url.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
`,
  );
  chmodSync(folder, 0o755);
  const child = spawn("pgbouncer", [file], { ...account(), stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk: Uint8Array) => {
      said = (said + new TextDecoder().decode(chunk)).slice(-4000);
      if (said.includes("process up")) resolve();
    });
    child.once("exit", () => reject(new Error(`PgBouncer ended: ${said}`)));
  });
  url.port = String(port);
  return {
    url: url.href,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
