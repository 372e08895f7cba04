/**
 * `penstock check`: whether a server with these settings would run, and run well. It changes nothing,
 * and every check has a time limit.
 */
import process from "node:process";
import { asksForAccess, jwtSettings, readAdminToken, verifiesJwts } from "../access/settings.ts";
import { parseFlags } from "../client/arguments.ts";
import { Console, type Style } from "../client/console.ts";
import { ClientError } from "../client/exit_codes.ts";
import { findDatabase, openDatabase } from "../storage/open.ts";
import { messageOf } from "../telemetry/redact.ts";
import {
  failure,
  type Finding,
  type FindingState,
  ok,
  resultOf,
  warning,
} from "./check/findings.ts";
import { checkDisk, checkFileLimit, checkPort, checkTlsFiles } from "./check/machine.ts";
import { checkOpened } from "./check/opened.ts";
import { checkPostgres } from "./check/postgres.ts";
import { unknownVariables } from "./command_line.ts";
import { type Config, ConfigError, parseConfig } from "./config.ts";
import { CHECK_FLAGS, checkHelp } from "./server_commands.ts";

/** How the command ends. */
const EXIT_CODES = { ok: 0, warning: 0, failure: 1, unreadable: 2 } as const;

/** @param args what follows `check`. Ends the process, for a driver may still hold a connection. */
export async function runCheckCommand(args: readonly string[]): Promise<never> {
  const console = new Console();
  let values: ReadonlyMap<string, string | true>;
  try {
    values = parseFlags({ name: "check", flags: CHECK_FLAGS }, args).values;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    console.tell(error.message, "red");
    process.exit(EXIT_CODES.unreadable);
  }
  if (values.has("help")) {
    await console.write(checkHelp());
    await console.flush();
    process.exit(EXIT_CODES.ok);
  }
  const json = values.has("json");
  const findings: Finding[] = [];
  const found = async (finding: Finding) => {
    findings.push(finding);
    if (!json) await console.write(lineOf(finding, console));
    await console.flush();
  };
  const config = await checkConfiguration(values, found);
  if (config !== null) { for await (const finding of checks(config)) await found(finding); }
  const result = resultOf(findings);
  if (json) await console.write(`${JSON.stringify({ result, checks: findings })}\n`);
  await console.flush();
  process.exit(config === null ? EXIT_CODES.unreadable : EXIT_CODES[result]);
}

/** Null: the settings cannot be used. */
async function checkConfiguration(
  values: ReadonlyMap<string, string | true>,
  found: (finding: Finding) => Promise<void>,
): Promise<Config | null> {
  let config: Config;
  try {
    config = parseConfig(values, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      await found(
        failure("configuration", problem, "correct it: penstock --help lists all settings"),
      );
    }
    return null;
  }
  for (const { variable, nearest } of unknownVariables(process.env)) {
    await found(warning(
      "configuration",
      `${variable} is not a setting and is ignored`,
      nearest === null ? "take it out of the environment" : `did you mean ${nearest}?`,
    ));
  }
  await found(configurationFinding(config));
  return config;
}

function configurationFinding(config: Config): Finding {
  try {
    const { kind, place } = findDatabase(config);
    const { accessControl } = config;
    if (accessControl.adminTokenFile !== null) readAdminToken(accessControl.adminTokenFile);
    if (verifiesJwts(accessControl)) jwtSettings(accessControl);
    const database = kind === "postgres" ? `PostgreSQL at ${place}` : `the database in ${place}`;
    const guarded = asksForAccess(accessControl) ? "on" : "off";
    return ok(
      "configuration",
      `${database} (${config.databaseSource}); access control is ${guarded}`,
    );
  } catch (error) {
    return failure(
      "configuration",
      messageOf(error),
      "correct the setting, or let the server's account read the file",
    );
  }
}

async function* checks(config: Config): AsyncGenerator<Finding> {
  const { databaseUrl, databaseConnections: connections } = config;
  yield await checkPort({ host: config.host, port: config.port, flags: "--port or --host" });
  if (config.adminPort !== null) {
    const [host, port] = [config.adminHost, config.adminPort];
    yield await checkPort({ host, port, flags: "--admin-port or --admin-host" });
  }
  yield checkFileLimit({ maxFollowers: config.maxFollowers, connections });
  const { certificateFiles } = config;
  if (certificateFiles !== null) yield checkTlsFiles(certificateFiles, Date.now());
  if (databaseUrl !== null) {
    const { findings } = await checkPostgres({
      url: databaseUrl,
      connections,
      timeoutMs: config.databaseTimeoutMs,
      listenUrl: config.listenUrl,
      wakeups: config.wakeups,
    });
    yield* findings;
    if (resultOf(findings) === "failure") return;
  } else {
    const { place, exists } = findDatabase(config);
    yield checkDisk(place);
    if (!exists) return yield ok("database", `there is none in ${place}: the first start makes it`);
  }
  yield* openedChecks(config);
}

async function* openedChecks(config: Config): AsyncGenerator<Finding> {
  let database;
  try {
    database = await openDatabase(config, () => {});
  } catch (error) {
    const fix = "stop the other program, or name another folder or database";
    return yield failure("database", messageOf(error), fix);
  }
  try {
    if (database.kind === "embedded") yield ok("database", `${database.description} opens`);
    yield* await checkOpened(database, config);
  } catch (error) {
    yield failure("database", messageOf(error), "see that the database stays up during the check");
  } finally {
    await database.close().catch(() => {});
  }
}

const STYLES: Readonly<Record<FindingState, Style>> = {
  ok: "green",
  warning: "yellow",
  failure: "red",
};

function lineOf({ check, state, message, fix }: Finding, console: Console): string {
  const line = `${console.paint(state.padEnd(8), STYLES[state])} ${check.padEnd(14)}${message}`;
  return fix === null ? `${line}\n` : `${line}; ${fix}\n`;
}
