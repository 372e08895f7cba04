/** Command lines: which command is meant, and what is said of one that is wrong. */
import assert from "node:assert/strict";
import { logFormatOf, parseCommand, unknownVariables } from "../../src/cli/command_line.ts";
import { helpText } from "../../src/cli/help.ts";
import { type Option, OPTIONS } from "../../src/cli/options.ts";
import { problemOf } from "./support.ts";

Deno.test("parseCommand knows its commands", () => {
  assert.equal(parseCommand(["serve"], {}).name, "serve");
  assert.equal(parseCommand(["migrate", "--port", "1"], {}).name, "migrate");
  assert.equal(parseCommand(["keys", "rotate", "--port=1"], {}).name, "keys rotate");
  assert.match(problemOf(["keys"]), /unknown command "keys"/);
  assert.equal(problemOf(["keys", "rotate", "now"]), 'unexpected argument "now"');
  for (const args of [["--help"], ["-h"], ["help"], ["serve", "--help"], ["x", "-h"]]) {
    assert.deepEqual(parseCommand(args, {}), { name: "help" });
  }
  for (const args of [["--version"], ["-V"], ["-v"], ["version"], ["serve", "--version"]]) {
    assert.deepEqual(parseCommand(args, {}), { name: "version" });
  }
  assert.equal(
    problemOf(["run"]),
    'unknown command "run": there are serve, migrate, keys rotate, healthcheck, check, version, help, create, append, read, tail, stat, ls, close, fork, trim, rm, status, import, sub, token, completions, dump, load, copy',
  );
  assert.equal(problemOf(["serve", "now"]), 'unexpected argument "now"');
  assert.match(problemOf(["--prot=1"]), /--prot/);
  assert.match(problemOf(["--port"]), /--port/);
  assert.match(problemOf(["--allow-anonymous=yes"]), /--allow-anonymous/);
  assert.match(problemOf(["-p", "1"]), /-p/);
});

Deno.test("a variable that is no setting is found, with the setting that is nearest", () => {
  assert.deepEqual(
    unknownVariables({
      PENSTOCK_LOG_LEVLE: "x",
      PENSTOCK_QUUX_FROB: "x",
      PENSTOCK_LOG_LEVEL: "info",
      PENSTOCK_URL: "x",
      PENSTOCK_TOKEN: "x",
      PENSTOCK_WORKER: "1",
      DATABASE_URL: "x",
      HOME: "/",
    }),
    [
      { variable: "PENSTOCK_LOG_LEVLE", nearest: "PENSTOCK_LOG_LEVEL" },
      { variable: "PENSTOCK_QUUX_FROB", nearest: null },
    ],
  );
  for (const option of Object.values<Option>(OPTIONS)) {
    assert.deepEqual(unknownVariables({ [option.environment]: "" }), []);
  }
});

Deno.test("the format of the log is known of a command line that is wrong otherwise", () => {
  assert.equal(logFormatOf(["--prot", "--log-format=json"], {}, true), "json");
  assert.equal(
    logFormatOf(["--log-format", "text"], { PENSTOCK_LOG_FORMAT: "json" }, false),
    "text",
  );
  assert.equal(logFormatOf([], { PENSTOCK_LOG_FORMAT: "json" }, true), "json");
  for (const args of [[], ["--log-format"], ["--log-format=xml"], ["--log-format", "auto"]]) {
    assert.equal(logFormatOf(args, {}, true), "text");
    assert.equal(logFormatOf(args, {}, false), "json");
  }
});

Deno.test("the help names every flag, variable and default", () => {
  const help = helpText();
  for (const { flag, environment, value, fallback } of Object.values<Option>(OPTIONS)) {
    assert.ok(help.includes(value === undefined ? `--${flag}\n` : `--${flag} <${value}>\n`), flag);
    assert.ok(help.includes(`(${environment})`), environment);
    if (value !== undefined && fallback !== "") assert.ok(help.includes(`[${fallback}]`), fallback);
  }
  for (const word of ["serve", "migrate", "--version", "--help"]) assert.ok(help.includes(word));
});
