/** What the tests of settings share: a command line to its settings, or to what is wrong with it. */
import assert from "node:assert/strict";
import { parseCommand } from "../../src/cli/command_line.ts";
import { type Config, ConfigError, type Environment } from "../../src/cli/config.ts";

export function configOf(args: readonly string[], environment: Environment = {}): Config {
  const command = parseCommand(args, environment);
  assert.ok(command.name === "serve" || command.name === "migrate");
  return command.config;
}

export function problemOf(args: readonly string[], environment: Environment = {}): string {
  try {
    parseCommand(args, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail(`taken: ${args.join(" ")}`);
}

/** Not to be found in any message. */
export const PASSWORD = "Tr0ub4dor";
