/**
 * Runs a probe: a small program that uses a client as its documentation says.
 *
 * A probe gets the URL below which its streams lie as its argument, and prints one JSON object a
 * line, `{"step":"append"}`, once that step has held. At `{"step":"kill-me"}` the server is killed
 * (SIGKILL) and started again on the same port and the same database; then the probe reads one line
 * from its standard input. It ends with 0 when everything held.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import process from "node:process";
import { freshDatabase } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";

const PROBE_LIMIT_MS = 60_000;

export interface Probe {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Fails unless the probe prints exactly these steps, in this order, and ends with 0. */
export async function runProbe(probe: Probe, steps: readonly string[]): Promise<void> {
  const database = await freshDatabase();
  const options = { database: { url: database.url } };
  let server = await startServer(options);
  const { port } = new URL(server.url);
  const child = spawn(probe.command, [...probe.args, `${server.url}/v1/stream`], {
    cwd: probe.cwd,
    env: { ...process.env, ...probe.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null, string | null]>;
  exited.catch(() => {}); // a command that cannot be started: reported where it is awaited
  child.stdin.on("error", () => {}); // it has ended before it was told: its exit code is reported
  const limit = setTimeout(() => child.kill("SIGKILL"), PROBE_LIMIT_MS);
  const taken: string[] = [];
  let output = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    output = (output + new TextDecoder().decode(chunk)).slice(-8000);
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const step = parseStep(line);
      if (step === undefined) {
        output += `${line}\n`; // some packages write their own log to standard output
        continue;
      }
      taken.push(step);
      if (step !== "kill-me") continue;
      await server.kill();
      server = await startServer({ ...options, args: ["--port", port] });
      child.stdin.write("restarted\n");
    }
    const [code, signal] = await exited;
    assert.equal(signal ?? code, 0, `after ${taken.join(", ")}:\n${output}`);
    assert.deepEqual(taken, steps);
  } finally {
    clearTimeout(limit);
    child.kill("SIGKILL");
    await server.kill();
    await database.drop();
  }
}

function parseStep(line: string): string | undefined {
  if (!line.startsWith(`{"step"`)) return undefined;
  return (JSON.parse(line) as { step: string }).step;
}
