/** Completions, as the shells themselves read them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { SERVER_COMMANDS } from "../../src/cli/server_commands.ts";
import { type CommandDescription, SHARED_FLAGS } from "../../src/client/command.ts";
import { COMMANDS } from "../../src/client/commands.ts";
import { bashCompletions } from "../../src/client/completions/bash.ts";
import { fishCompletions } from "../../src/client/completions/fish.ts";
import { zshCompletions } from "../../src/client/completions/zsh.ts";

const commands: CommandDescription[] = [
  ...SERVER_COMMANDS,
  ...COMMANDS.map((command) => ({ ...command, flags: [...command.flags, ...SHARED_FLAGS] })),
];

function installed(shell: string): boolean {
  return spawnSync(shell, ["-c", "exit 0"]).status === 0;
}

function run(shell: string, args: string[], input: string): string {
  const { status, stdout, stderr } = spawnSync(shell, args, { input, encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""], shell);
  return stdout;
}

/** What bash offers after these words. */
function offered(...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(" ");
  const script = `${bashCompletions(commands)}
COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1}
_penstock
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run("bash", ["--norc"], script).split("\n").filter((word) => word !== "").sort();
}

Deno.test({
  name: "bash completes commands, flags, values and the server's settings",
  ignore: !installed("bash"),
  fn() {
    run("bash", ["-n"], bashCompletions(commands));
    assert.deepEqual(offered("penstock", "c"), [
      "check",
      "close",
      "completions",
      "create",
    ]);
    assert.deepEqual(offered("penstock", "append", "x", "--p"), ["--producer"]);
    assert.ok(offered("penstock", "append", "--").includes("--url"));
    assert.deepEqual(offered("penstock", "append", "--producer", ""), ["auto"]);
    assert.deepEqual(offered("penstock", "create", "x", "--content-type", "text"), ["text/plain"]);
    assert.deepEqual(offered("penstock", "append", "--data", "--"), [], "a value may be anything");
    assert.deepEqual(offered("penstock", "completions", "f"), ["fish"]);
    assert.deepEqual(offered("penstock", "keys", "r"), ["rotate"]);
    assert.deepEqual(offered("penstock", "serve", "--data-d"), ["--data-dir"]);
    assert.deepEqual(offered("penstock", "serve", "--wakeups", "p"), ["poll"]);
    assert.deepEqual(offered("penstock", "nonsense", ""), []);
  },
});

Deno.test({
  name: "zsh takes its completions",
  ignore: !installed("zsh"),
  fn() {
    run("zsh", ["-n"], zshCompletions(commands));
    const script = `autoload -Uz compinit; compinit -u -D
${zshCompletions(commands)}
whence -w _penstock; print $_comps[penstock]`;
    assert.equal(run("zsh", ["-f"], script), "_penstock: function\n_penstock\n");
  },
});

Deno.test({
  name: "fish completes flags of a command",
  ignore: !installed("fish"),
  fn() {
    const script = `${fishCompletions(commands)}\ncomplete -C 'penstock append --prod'`;
    assert.match(run("fish", ["--no-config"], script), /^--producer/);
  },
});

Deno.test("every shell is told of every command and flag", () => {
  for (
    const script of [bashCompletions, zshCompletions, fishCompletions].map((of) => of(commands))
  ) {
    for (const { name, flags } of commands) {
      assert.ok(script.includes(name));
      for (const flag of flags) assert.match(script, new RegExp(`(--|-l )${flag.name}\\b`));
    }
  }
});
