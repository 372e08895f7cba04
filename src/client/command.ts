/**
 * What a client command is. Everything a reader or a shell is told about it (help, completions,
 * unknown flags) is generated from this one description.
 */
import type { Connection } from "./connection.ts";
import type { Console } from "./console.ts";
import type { ExitCode } from "./exit_codes.ts";

export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help; a flag without it is a switch. */
  readonly value?: string;
  readonly help: string;
  /** Values a shell may offer. */
  readonly suggestions?: readonly string[];
  /** The variable that is read when the flag is not given. */
  readonly environment?: string;
}

/** What help and completions need; commands of the server have this much too. */
export interface CommandDescription {
  readonly name: string;
  /** One line, beginning with a verb, without a full stop. */
  readonly summary: string;
  /** Names of the words after the command; one that ends in `?` may be left out. */
  readonly operands: readonly string[];
  readonly flags: readonly Flag[];
  /** Words a shell may offer for the first operand. */
  readonly operandSuggestions?: readonly string[];
}

export interface Command extends CommandDescription {
  /** Further sentences of the help. */
  readonly details?: string;
  /** Shell commands that work as they stand, each containing `penstock NAME`. */
  readonly examples: readonly string[];
  /** How long to try again once the server has answered, unless `--retry-for` says otherwise. */
  readonly retryMs: number;
  run(invocation: Invocation): Promise<ExitCode>;
}

/** One use of a command: its arguments, checked against its description. */
export interface Invocation {
  readonly operands: readonly string[];
  /** A flag's value, else its environment variable, else undefined. */
  text(flag: string): string | undefined;
  has(flag: string): boolean;
  readonly console: Console;
  readonly connection: Connection;
  /** Every command of the program, the server's included. */
  readonly commands: readonly CommandDescription[];
  /** The URL of a stream named by a path or by a whole URL. */
  streamUrl(path: string): URL;
}

/** What every command that talks to a server takes. */
export const SHARED_FLAGS: readonly Flag[] = [
  {
    name: "url",
    value: "url",
    help: "Where the server's streams are [http://127.0.0.1:4437/v1/stream]",
    environment: "PENSTOCK_URL",
  },
  {
    name: "token",
    value: "token",
    help: "Bearer token; a variable keeps it out of the list of processes",
    environment: "PENSTOCK_TOKEN",
  },
  {
    name: "retry-for",
    value: "time",
    help: "How long to try again while the server does not answer, such as 30s, 5m, 0 or forever",
  },
  { name: "json", help: "Print JSON for programs" },
  { name: "help", short: "h", help: "Print this help" },
];

export const CONTENT_TYPE_FLAG: Flag = {
  name: "content-type",
  value: "type",
  help: "Media type of the stream",
  suggestions: ["text/plain", "application/json", "application/octet-stream"],
};
