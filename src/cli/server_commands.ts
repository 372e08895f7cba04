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

export const SERVER_COMMANDS: readonly CommandDescription[] = [
  { name: "serve", summary: "Serve streams", operands: [], flags: FLAGS },
  {
    name: "migrate",
    summary: "Bring the database's schema up to date, and end",
    operands: [],
    flags: FLAGS,
  },
  {
    name: "keys",
    summary: "Sign webhooks and tokens with new keys from now on",
    operands: ["action"],
    operandSuggestions: ["rotate"],
    flags: FLAGS,
  },
  { name: "version", summary: "Print the version", operands: [], flags: [] },
];
