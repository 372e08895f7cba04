/** Which command of the server is meant, and its settings. */
import { parseFlags } from "../client/arguments.ts";
import type { Flag } from "../client/command.ts";
import { COMMANDS } from "../client/commands.ts";
import { ClientError } from "../client/exit_codes.ts";
import { nearest } from "../client/nearest.ts";
import { type Config, ConfigError, type Environment, parseConfig } from "./config.ts";
import { type Option, OPTIONS } from "./options.ts";
import { FLAGS } from "./server_commands.ts";
import { TRANSFER_COMMANDS } from "./transfer/commands.ts";

export type Command =
  | { readonly name: "serve" | "migrate" | "keys rotate" | "healthcheck"; readonly config: Config }
  | { readonly name: "help" }
  | { readonly name: "version" };

/** There is no such command. Printed for the person that typed it, never to a log. */
export class UnknownCommand extends ConfigError {
  override name = "UnknownCommand";
}

const NAMES = ["serve", "migrate", "keys rotate", "healthcheck"] as const;

/** Beginning like settings, but read elsewhere: by the client, and between processes. */
const OTHER_VARIABLES = ["PENSTOCK_URL", "PENSTOCK_TOKEN", "PENSTOCK_WORKER", "PENSTOCK_SUCCESSOR"];

const ALL_FLAGS: readonly Flag[] = [
  ...FLAGS,
  { name: "help", short: "h", help: "Print the help" },
  { name: "version", short: "V", help: "Print the version" },
];

/**
 * @throws ConfigError
 */
export function parseCommand(args: readonly string[], environment: Environment): Command {
  if (args[0] === "-v") return { name: "version" };
  const { operands, values } = flagsOf(args);
  if (values.has("help") || operands[0] === "help") return { name: "help" };
  if (values.has("version") || operands[0] === "version") return { name: "version" };
  const [first = "serve", ...others] = operands;
  const [name, rest] = first === "keys" && others[0] === "rotate"
    ? ["keys rotate", others.slice(1)]
    : [first, others];
  const known = NAMES.find((each) => each === name);
  if (known === undefined) throw new UnknownCommand([unknownCommand(name)]);
  if (rest.length > 0) throw new ConfigError([`unexpected argument "${rest[0]}"`]);
  return { name: known, config: parseConfig(values, environment) };
}

function flagsOf(args: readonly string[]) {
  const name = NAMES.find((each) => each.split(" ")[0] === args[0]) ?? "serve";
  try {
    return parseFlags({ name, flags: ALL_FLAGS }, args);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new ConfigError(error.message.split("\n"));
  }
}

function unknownCommand(name: string): string {
  const known = [
    ...[...NAMES, "check", "version", "help"],
    ...[...COMMANDS, ...TRANSFER_COMMANDS].map((command) => command.name),
  ];
  const guess = nearest(name, known);
  const hint = guess === undefined ? `there are ${known.join(", ")}` : `did you mean ${guess}?`;
  return `unknown command "${name}": ${hint}`;
}

/** Variables that look like settings and are none, each with the one that may have been meant. */
export function unknownVariables(
  environment: Environment,
): { readonly variable: string; readonly nearest: string | null }[] {
  const prefix = "PENSTOCK_";
  const known = Object.values<Option>(OPTIONS).map((option) => option.environment)
    .concat(OTHER_VARIABLES)
    .filter((name) => name.startsWith(prefix));
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.includes(name))
    .sort()
    .map((variable) => {
      // The prefix is right in all of them: it says nothing about how near two names are.
      const names = known.map((name) => name.slice(prefix.length));
      const guess = nearest(variable.slice(prefix.length), names);
      return { variable, nearest: guess === undefined ? null : prefix + guess };
    });
}

/**
 * The log's format, as far as it can be made out of a command line that may be wrong.
 * @param isTerminal whether what is written to is one
 */
export function logFormatOf(
  args: readonly string[],
  environment: Environment,
  isTerminal: boolean,
): "text" | "json" {
  const flag = `--${OPTIONS.logFormat.flag}`;
  const at = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  const asked = at < 0
    ? environment[OPTIONS.logFormat.environment]
    : args[at]!.split("=")[1] ?? args[at + 1];
  if (asked === "text" || asked === "json") return asked;
  return isTerminal ? "text" : "json";
}
