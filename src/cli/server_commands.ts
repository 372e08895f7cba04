/** The commands that run a server, described as the client's are, for completions and hints. */
import type { CommandDescription, Flag } from "../client/command.ts";
import { type Option, OPTIONS } from "./options.ts";

/** Of every command that runs a server. */
export const FLAGS: readonly Flag[] = Object.values<Option>(OPTIONS).map((option) => ({
  name: option.flag,
  help: option.help,
  environment: option.environment,
  ...(option.value === undefined ? {} : { value: option.value }),
  ...(option.value?.includes("|") ? { suggestions: option.value.split("|") } : {}),
}));

/** Of `penstock check`. */
export const CHECK_FLAGS: readonly Flag[] = [
  ...FLAGS,
  { name: "json", help: "Print JSON for programs" },
  { name: "help", short: "h", help: "Print this help" },
];

export function checkHelp(): string {
  return `penstock check: say whether a server with these settings would run, and run well

Usage:
  penstock check [options of serve] [--json]

A line for each check: ok, warning or failure, and how to repair it. Nothing is changed, and nothing is
sent to webhooks but a connection. Run it as the account that runs the server, with its settings.

Exit codes: 0 no failure (there may be warnings), 1 something failed, 2 the settings cannot be read
`;
}

export const SERVER_COMMANDS: readonly CommandDescription[] = [
  { name: "serve", summary: "Serve streams", operands: [], flags: FLAGS },
  {
    name: "migrate",
    summary: "Bring the database's schema up to date, and end",
    operands: [],
    flags: FLAGS,
  },
  {
    name: "check",
    summary: "Say whether a server with these settings would run, and run well",
    operands: [],
    flags: CHECK_FLAGS,
  },
  {
    name: "keys",
    summary: "Sign webhooks and tokens with new keys from now on",
    operands: ["action"],
    operandSuggestions: ["rotate"],
    flags: FLAGS,
  },
  {
    name: "healthcheck",
    summary: "Ask the server of these settings whether it is ready",
    operands: [],
    flags: FLAGS,
  },
  { name: "version", summary: "Print the version", operands: [], flags: [] },
];
