/**
 * Electric's server in Rust, the crate durable-streams: one node, its log flushed by fdatasync
 * before an append is answered (`--durability wal`). Built once by cargo, into the user's cache.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type Child, startChild } from "./children.ts";
import { LeftOut } from "./subjects.ts";

const CRATE = "durable-streams";
const VERSION = "0.1.5";
const BUILD_LIMIT_MS = 20 * 60_000;
const LISTENING = /listening on http:\/\/127\.0\.0\.1:(\d+)/;

let built: Promise<string> | undefined;

/** Starts it on a free port; throws `LeftOut` where it cannot be built. */
export async function startRust(dataDir: string): Promise<Child> {
  built ??= build();
  const executable = await built;
  // Told port 0 it prints 0 and not the port that it was given.
  const port = String(await freePort());
  const flags = ["--durability", "wal", "--data-dir", dataDir];
  return await startChild([executable, "--port", port, ...flags], { port: LISTENING });
}

async function build(): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const root = join(cache, "penstock-bench", `${CRATE}-${VERSION}`);
  const executable = join(root, "bin", "durable-streams-server");
  if (existsSync(executable)) return executable;
  mkdirSync(root, { recursive: true });
  console.error(`building ${CRATE} ${VERSION} once, into ${root}: a minute or more`);
  const install = ["cargo", "install", CRATE, "--version", VERSION, "--locked", "--root", root];
  try {
    await promisify(execFile)("nice", ["-n", "10", ...install], { timeout: BUILD_LIMIT_MS });
  } catch (error) {
    const { code, stderr = "" } = error as { code?: unknown; stderr?: string };
    // 127 is what nice ends with when there is no such command.
    if (code === 127 || code === "ENOENT") throw new LeftOut("cargo is not installed");
    const reason = stderr.split("\n").find((line) => line.startsWith("error")) ?? String(error);
    throw new LeftOut(`cargo could not build ${CRATE} ${VERSION}: ${reason}`);
  }
  return executable;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
