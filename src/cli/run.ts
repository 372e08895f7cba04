/** Runs a command line: a command of the client, or one of the server. */
import process from "node:process";
import { findCommand, runCommand } from "../client/run.ts";
import { reportFatal } from "../telemetry/log.ts";
import type { TelemetryEvent } from "../telemetry/events.ts";
import { VERSION } from "../version.ts";
import { runCheckCommand } from "./check_command.ts";
import { type Command, logFormatOf, parseCommand, UnknownCommand } from "./command_line.ts";
import { ConfigError } from "./config.ts";
import { migrateOnly, rotate } from "./database_commands.ts";
import { healthcheck } from "./healthcheck.ts";
import { helpText } from "./help.ts";
import { serve } from "./serve.ts";
import { SERVER_COMMANDS } from "./server_commands.ts";
import { namesDatabase, runTokenCommand } from "./token_command.ts";
import { TRANSFER_COMMANDS } from "./transfer/commands.ts";
import { workerNumber } from "./supervisor.ts";

const COMMANDS = { serve, migrate: migrateOnly, "keys rotate": rotate, healthcheck };

/** Runs a command line, without the program's own name. Sets the exit code when it fails. */
export async function run(args: readonly string[]): Promise<void> {
  // `penstock help append` is `penstock append --help`.
  const [name, ...rest] = args[0] === "help" && args.length > 1 ? [args[1]!, "--help"] : args;
  if (name === "token" && namesDatabase(rest)) return await runTokenCommand(rest);
  if (name === "check") return await runCheckCommand(rest);
  const clientCommand = findCommand(name) ??
    TRANSFER_COMMANDS.find((command) => command.name === name);
  if (clientCommand !== undefined) {
    return await runCommand(clientCommand, {
      args: rest,
      others: [...SERVER_COMMANDS, ...TRANSFER_COMMANDS],
    });
  }
  let command: Command;
  try {
    command = parseCommand(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    refuse(error, args);
    process.exitCode = 2;
    return;
  }
  if (command.name === "help") {
    process.stdout.write(helpText());
  } else if (command.name === "version") {
    process.stdout.write(`penstock ${VERSION}\n`);
  } else {
    try {
      await COMMANDS[command.name](command.config, args);
    } catch (error) {
      fail({ event: "failed", error }, args);
      process.exit(1);
    }
  }
}

/** On a terminal as lines that are easy to read, in a log as an event. */
function refuse(error: ConfigError, args: readonly string[]): void {
  if (error instanceof UnknownCommand || formatOf(args) === "text") {
    process.stderr.write(`${error.message}\nTry penstock --help\n`);
  } else {
    fail({ event: "settings_refused", problems: error.problems }, args);
  }
}

function fail(event: TelemetryEvent, args: readonly string[]): void {
  reportFatal(event, { format: formatOf(args), worker: workerNumber() });
}

function formatOf(args: readonly string[]): "text" | "json" {
  return logFormatOf(args, process.env, process.stderr.isTTY === true);
}
