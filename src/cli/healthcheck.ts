/** `penstock healthcheck`: for containers, whose image holds no other program that could ask. */
import process from "node:process";
import type { Config } from "./config.ts";

const LIMIT_MS = 3000;

/** Asks the server of these settings whether it is ready. Sets the exit code to 1 when it is not. */
export async function healthcheck({ host, port }: Config): Promise<void> {
  const name = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ??
    (host.includes(":") ? `[${host}]` : host);
  let answer: string;
  try {
    const signal = AbortSignal.timeout(LIMIT_MS);
    const response = await fetch(`http://${name}:${port}/ready`, { signal });
    answer = await response.text();
    if (!response.ok) process.exitCode = 1;
  } catch (error) {
    answer = (error as Error).message;
    process.exitCode = 1;
  }
  process.stdout.write(`${answer}\n`);
}
