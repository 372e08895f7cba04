/** `penstock healthcheck`: for containers, whose image holds no other program that could ask. */
import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import process from "node:process";
import { text } from "node:stream/consumers";
import type { Config } from "./config.ts";

const LIMIT_MS = 3000;

/** Asks the server of these settings whether it is ready. Sets the exit code to 1 when it is not. */
export async function healthcheck(config: Config): Promise<void> {
  let answer: string;
  try {
    const { status, body } = await ask(readyUrl(config));
    answer = body;
    if (status !== 200) process.exitCode = 1;
  } catch (error) {
    answer = (error as Error).message;
    process.exitCode = 1;
  }
  process.stdout.write(`${answer}\n`);
}

/** /ready is on the admin port where there is one, by plain HTTP. */
function readyUrl({ host, port, adminHost, adminPort, certificateFiles }: Config): string {
  if (adminPort !== null) return `http://${nameOf(adminHost)}:${adminPort}/ready`;
  const scheme = certificateFiles === null ? "http" : "https";
  return `${scheme}://${nameOf(host)}:${port}/ready`;
}

/** What this machine reaches an address by that it listens on. */
function nameOf(host: string): string {
  return { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ??
    (host.includes(":") ? `[${host}]` : host);
}

async function ask(url: string): Promise<{ readonly status: number; readonly body: string }> {
  // Without an agent the connection ends with the response, and does not keep this process.
  const options = { signal: AbortSignal.timeout(LIMIT_MS), agent: false } as const;
  // The certificate is for the name that clients use, and this asks the machine itself.
  const asked = url.startsWith("https:")
    ? requestHttps(url, { ...options, rejectUnauthorized: false })
    : requestHttp(url, options);
  asked.end();
  const [response] = await once(asked, "response") as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}
