/** Runs `penstock check` as a process, and gives what it found. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import type { Finding } from "../../../src/cli/check/findings.ts";
import { bunExecutable, type Runtime } from "../../support/server.ts";

const ROOT = join(import.meta.dirname!, "../../..");

export interface CheckOptions {
  readonly runtime?: Runtime;
  readonly env?: Readonly<Record<string, string>>;
  readonly preload?: string;
  readonly openFiles?: number;
}

export interface Checked {
  readonly code: number | null;
  readonly result: string;
  readonly checks: readonly Finding[];
  /** The findings of one check, which has to be there. */
  of(check: string): Finding;
}

/** With `--json`, a free port and few followers unless the arguments say otherwise. */
export async function check(args: readonly string[], options: CheckOptions = {}): Promise<Checked> {
  const program = options.runtime === "bun" ? [await bunExecutable(), "run", "main.ts"] : [
    process.execPath,
    "run",
    "-A",
    "--quiet",
    ...(options.preload === undefined ? [] : ["--preload", options.preload]),
    "main.ts",
  ];
  const whole = [...program, "check", "--json", "--port=0", "--max-followers=100", ...args];
  const line = options.openFiles === undefined
    ? whole
    : ["sh", "-c", `ulimit -n ${options.openFiles} && exec "$0" "$@"`, ...whole];
  const child = spawn(line[0]!, line.slice(1), {
    cwd: ROOT,
    env: { ...environment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.on("data", (chunk: Uint8Array) => output += new TextDecoder().decode(chunk));
  }
  const [code] = await once(child, "close") as [number | null];
  const said = JSON.parse(output.trim().split("\n").at(-1)!) as {
    result: string;
    checks: Finding[];
  };
  return {
    code,
    ...said,
    of(name) {
      const found =
        said.checks.find((finding) => finding.check === name && finding.state !== "ok") ??
          said.checks.find((finding) => finding.check === name);
      assert.ok(found, `no ${name} in ${output}`);
      return found;
    },
  };
}

/** Without the settings of the tests themselves, which are no settings of Penstock. */
function environment() {
  const entries = Object.entries(process.env);
  return Object.fromEntries(
    entries.filter(([name]) => !/^(PENSTOCK_|DATABASE_URL$)/.test(name)),
  );
}

/** That a check failed or warned, and says what is wrong and how to mend it. */
export function expectFinding(
  checked: Checked,
  check: string,
  expected: { state: "warning" | "failure"; message: RegExp; fix: RegExp },
): void {
  const { state, message, fix } = checked.of(check);
  assert.equal(state, expected.state, message);
  assert.match(message, expected.message);
  assert.match(fix ?? "", expected.fix);
  assert.equal(
    checked.result,
    checked.checks.some((each) => each.state === "failure") ? "failure" : "warning",
  );
  assert.equal(checked.code, checked.result === "failure" ? 1 : 0);
}
