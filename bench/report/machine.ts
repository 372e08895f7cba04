/** What the figures were taken on: without it they mean nothing to anyone else. */
import { execFile } from "node:child_process";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import process from "node:process";
import { promisify } from "node:util";
import postgres from "postgres";
import { bunExecutable } from "../../tests/support/server.ts";
import type { Machine } from "./figures.ts";

export async function describeMachine(postgresUrl: string | undefined): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model ?? arch(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release().split("-", 1)[0]}`,
    deno: process.versions.deno ?? "none",
    bun: await bunVersion(),
    postgres: await postgresVersion(postgresUrl),
  };
}

async function bunVersion(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(await bunExecutable(), ["--version"]);
    return stdout.trim();
  } catch {
    return "none";
  }
}

async function postgresVersion(url: string | undefined): Promise<string> {
  if (url === undefined) return "not used";
  const sql = postgres(url, { max: 1 });
  try {
    const [row] = await sql<{ server_version: string }[]>`show server_version`;
    return row?.server_version ?? "unknown";
  } finally {
    await sql.end();
  }
}
