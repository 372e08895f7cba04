/** Runs one client command, from its arguments to its exit code. */
import process from "node:process";
import { parseArguments, type ParsedArguments } from "./arguments.ts";
import { type Command, type CommandDescription, type Invocation, SHARED_FLAGS } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { Connection } from "./connection.ts";
import { Console } from "./console.ts";
import { parsePatience } from "./durations.ts";
import { ClientError, EXIT, type ExitCode } from "./exit_codes.ts";
import { commandHelp } from "./help.ts";
import { Patience } from "./patience.ts";
import { DEFAULT_URL, parseBaseUrl, streamUrl } from "./stream_url.ts";

export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

export interface RunOptions {
  /** What follows the command's name. */
  readonly args: readonly string[];
  /** The program's commands that are not the client's: shells complete them too. */
  readonly others: readonly CommandDescription[];
}

/** Ends the process with the command's exit code. */
export async function runCommand(
  command: Command,
  { args, others }: RunOptions,
): Promise<never> {
  process.on("SIGINT", () => process.exit(EXIT.interrupted));
  process.on("SIGTERM", () => process.exit(EXIT.terminated));
  const console = new Console();
  let exitCode: ExitCode;
  try {
    const parsed = parseArguments(command, args);
    if (parsed.values.has("help")) {
      await console.write(commandHelp(command));
      exitCode = EXIT.ok;
    } else {
      const invocation = invocationOf(command, parsed, console);
      exitCode = await command.run({ ...invocation, commands: describe(others) });
    }
    await console.flush();
  } catch (error) {
    await console.flush(); // what was read before the failure is good
    exitCode = report(command, error, console);
  }
  process.exit(exitCode);
}

/** What there is to complete: each command with all the flags it takes. */
function describe(others: readonly CommandDescription[]): CommandDescription[] {
  const own = COMMANDS.map((command) => ({
    ...command,
    flags: [...command.flags, ...SHARED_FLAGS],
  }));
  return [...others, ...own];
}

function report(command: Command, error: unknown, console: Console): ExitCode {
  if (error instanceof ClientError) {
    console.tell(error.message, "red");
    if (error.exitCode === EXIT.usage) console.tell(`try penstock ${command.name} --help`, "dim");
    return error.exitCode;
  }
  console.tell(error instanceof Error ? error.message : String(error), "red");
  return EXIT.failure;
}

function invocationOf(
  command: Command,
  { operands, values }: ParsedArguments,
  console: Console,
): Omit<Invocation, "commands"> {
  const text = (name: string) => {
    const value = values.get(name);
    return typeof value === "string" ? value : undefined;
  };
  // An empty variable is an unset one: that is how unit files and containers leave them.
  const base = parseBaseUrl(text("url") ?? (process.env.PENSTOCK_URL || DEFAULT_URL));
  const given = text("retry-for");
  const patience = new Patience({
    givenMs: given === undefined ? undefined : parsePatience(given),
    answeredMs: command.retryMs,
  });
  return {
    operands,
    text,
    has: (name) => values.has(name),
    console,
    connection: new Connection({
      patience,
      authorization: authorizationFor(base, text("token")),
      onOutage: (message) => console.tell(message),
    }),
    streamUrl: (path) => streamUrl(base, path),
  };
}

/** The variable's token is for the configured server: a whole URL may name another one. */
function authorizationFor(base: URL, flag: string | undefined): (url: URL) => string | null {
  const token = flag ?? (process.env.PENSTOCK_TOKEN || undefined);
  if (token === undefined) return () => null;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new ClientError(EXIT.usage, "the token holds spaces or characters that are not ASCII");
  }
  return (url) => flag !== undefined || url.origin === base.origin ? `Bearer ${token}` : null;
}
