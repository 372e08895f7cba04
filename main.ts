/** The command line: serve, migrate, keys rotate, help, version, and the client's commands. */
import process from "node:process";
import { findCommand, runCommand } from "./src/client/run.ts";
import { type Command, type Config, ConfigError, parseCommand } from "./src/cli/config.ts";
import { helpText } from "./src/cli/help.ts";
import { SERVER_COMMANDS } from "./src/cli/server_commands.ts";
import { openLog } from "./src/telemetry/log.ts";
import { Node } from "./src/node.ts";
import { runtimeName, sharesPorts } from "./src/platform.ts";
import { migrate } from "./src/storage/migrate.ts";
import { openDatabase } from "./src/storage/open.ts";
import { Supervisor, whenSupervisorLeaves, workerNumber } from "./src/cli/supervisor.ts";
import { rotateKeys } from "./src/subscriptions/key_ring.ts";
import { messageOf, type Telemetry } from "./src/telemetry/events.ts";
import { VERSION } from "./src/version.ts";

/** Runs a command line, without the program's own name. Sets the exit code when it fails. */
export async function run(args: readonly string[]): Promise<void> {
  // `penstock help append` is `penstock append --help`.
  const [name, ...rest] = args[0] === "help" && args.length > 1 ? [args[1]!, "--help"] : args;
  const clientCommand = findCommand(name);
  if (clientCommand !== undefined) {
    return await runCommand(clientCommand, { args: rest, others: SERVER_COMMANDS });
  }
  let command: Command;
  try {
    command = parseCommand(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\nTry penstock --help\n`);
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
      process.stderr.write(`penstock: ${messageOf(error)}\n`);
      process.exit(1);
    }
  }
}

const COMMANDS = { serve, migrate: migrateOnly, "keys rotate": rotate };

async function serve(config: Config, args: readonly string[]): Promise<void> {
  const { telemetry, readable } = telemetryOf(config);
  if (config.workers > 1) return await supervise(config, args, telemetry);
  const worker = workerNumber();
  telemetry.report({ event: "starting", version: VERSION, runtime: runtimeName() });
  const node = await Node.start(config, telemetry, worker !== null);
  if (readable && (worker ?? 1) === 1) process.stdout.write(quickStart(node));

  let stopping = false;
  const stop = (reason: string) => {
    if (stopping) {
      // A worker hears from its supervisor and whoever else signals all processes: one is enough.
      if (worker !== null) return;
      telemetry.report({ event: "stop_forced", reason: `second ${reason}` });
      process.exit(130);
    }
    stopping = true;
    node.stop(reason).then(() => process.exit(0));
  };
  onSignals(stop);
  if (worker !== null) whenSupervisorLeaves(stop);
}

async function supervise(
  config: Config,
  args: readonly string[],
  telemetry: Telemetry,
): Promise<void> {
  if (!sharesPorts()) throw new Error("--workers needs Linux, where processes share a port");
  telemetry.report({ event: "starting", version: VERSION, runtime: runtimeName() });
  const supervisor = new Supervisor(args, config, telemetry);
  onSignals((signal) => supervisor.stop(signal));
  process.exit(await supervisor.run());
}

function onSignals(stop: (signal: string) => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop(signal));
}

async function migrateOnly(config: Config): Promise<void> {
  const { telemetry } = telemetryOf(config);
  const database = await openDatabase(config, (event) => telemetry.report(event));
  try {
    const { applied } = await migrate(database);
    telemetry.report({ event: "migrated", steps: applied });
  } finally {
    await database.close();
  }
}

async function rotate(config: Config): Promise<void> {
  const { telemetry } = telemetryOf(config);
  const database = await openDatabase(config, (event) => telemetry.report(event));
  try {
    await migrate(database);
    telemetry.report({ event: "keys_rotated", kids: await rotateKeys(database) });
  } finally {
    await database.close();
  }
}

function telemetryOf(config: Config): { telemetry: Telemetry; readable: boolean } {
  const text = config.logFormat === "text" ||
    (config.logFormat === "auto" && process.stdout.isTTY === true);
  return {
    telemetry: openLog({
      format: text ? "text" : "json",
      level: config.logLevel,
      worker: workerNumber(),
    }),
    readable: text && config.logLevel !== "silent",
  };
}

/** What to try first. */
function quickStart(node: Node): string {
  const stream = `${node.url}/v1/stream/hello`;
  return `
  Penstock ${VERSION}
  Database  ${node.database.description}
  Streams   ${node.url}/v1/stream/{path}

  Try       curl -X PUT -H 'Content-Type: text/plain' -d 'hello' ${stream}
            curl ${stream}

`;
}

if (import.meta.main) await run(process.argv.slice(2));
