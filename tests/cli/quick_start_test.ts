/** What `penstock serve` shows on a terminal: its commands are run here as they are printed. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { quickStart } from "../../src/cli/quick_start.ts";
import { DENO_FLAGS } from "../../src/platform.ts";
import { VERSION } from "../../src/version.ts";
import { ExampleProcess } from "../examples/example_process.ts";
import { testWith } from "../support/programs/program.ts";
import { Workplace } from "../system/client_commands.ts";

const MAIN = join(import.meta.dirname ?? ".", "../../main.ts");

/** The commands to create, follow and append. */
function commandsOf(shown: string): [string, string, string] {
  const commands = [...shown.matchAll(/^ {4}((?:curl|penstock) .*)$/gm)].map(([, line]) => line!);
  assert.equal(commands.length, 3, shown);
  return commands as [string, string, string];
}

testWith(["curl", "sh"], "the commands that the server shows give a live tail", async () => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-quick-start-"));
  await using server = new ExampleProcess(process.execPath, [
    ...["run", "-A", ...DENO_FLAGS, MAIN, "serve", "--port", "0", "--log-format", "text"],
    ...["--data-dir", join(folder, "data")],
  ]);
  const work = new Workplace("http://127.0.0.1:9/none"); // its commands name the server themselves
  try {
    const [shown, url] = await server.printed(
      /Penstock .*\n(?: .*\n|\n)*? {2}Streams {4}(http\S+?)\/v1\/stream\/(?:.*\n|\n)*?.*hello, world.*\n/,
    );
    assert.match(shown, new RegExp(`^Penstock ${VERSION}\n {2}Database   embedded`));
    assert.ok(shown.includes(`Inspector  ${url}/_penstock/\n`));
    const page = await fetch(`${url}/_penstock/`);
    assert.match(await page.text(), /<!doctype html>/i);
    await tailOf(commandsOf(shown));
    await fetch(`${url}/v1/stream/hello`, { method: "DELETE" });
    const compiled = quickStart({
      url: url!,
      database: "",
      inspector: false,
      guarded: false,
      compiled: true,
    });
    assert.ok(!compiled.includes("Inspector"));
    await tailOf(commandsOf(compiled).map((line) => `PATH=${work.folder}:$PATH ${line}`));
  } finally {
    work.remove();
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function tailOf([create, follow, append]: readonly string[]): Promise<void> {
  const run = (line: string) => new ExampleProcess("sh", ["-c", `exec env ${line}`]);
  await using created = run(create!);
  assert.equal(await created.ended(), 0, created.output);
  await using following = run(follow!);
  await using appended = run(append!);
  assert.equal(await appended.ended(), 0, appended.output);
  await following.printed(/hello, world/);
}

Deno.test("at the usual address penstock needs no --url; with access control there is a token", () => {
  const shown = (guarded: boolean, compiled: boolean) =>
    quickStart({
      url: "http://127.0.0.1:4437",
      database: "embedded",
      inspector: true,
      guarded,
      compiled,
    });
  assert.deepEqual(commandsOf(shown(true, true)), [
    "penstock create hello --content-type text/plain",
    "penstock tail hello -f",
    "penstock append hello --data 'hello, world'",
  ]);
  assert.match(shown(true, true), /export PENSTOCK_TOKEN=/);
  for (const line of commandsOf(shown(true, false))) {
    assert.ok(line.includes(`-H "Authorization: Bearer $PENSTOCK_TOKEN"`), line);
  }
  assert.ok(!shown(false, false).includes("TOKEN"));
});
