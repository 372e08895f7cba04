/** Settings: flags over environment over defaults, each validated, all errors at once. */
import { isIPv4 } from "node:net";
import { parseArgs } from "node:util";
import { COMMANDS } from "../client/commands.ts";
import { nearest } from "../client/nearest.ts";
import { type Option, type OptionName, OPTIONS } from "./options.ts";
import { parsePostgresUrl } from "../storage/postgres/url.ts";
import { type Level, redact } from "../telemetry/events.ts";

export interface Config {
  readonly host: string;
  readonly port: number;
  /** More than one only with a `databaseUrl`. */
  readonly workers: number;
  /** Null: the embedded database. Holds a password: never printed. */
  readonly databaseUrl: string | null;
  readonly databaseConnections: number;
  readonly databaseTimeoutMs: number;
  /** Null: by `databaseUrl`. Holds a password too. */
  readonly listenUrl: string | null;
  readonly wakeups: "auto" | "listen" | "poll";
  /** Null: the default folder. */
  readonly dataDir: string | null;
  readonly longPollTimeoutMs: number;
  readonly maxAppendBytes: number;
  readonly bodyTimeoutMs: number;
  /** Bytes of bodies and pages under way, all together. */
  readonly maxBufferedBytes: number;
  readonly maxFollowers: number;
  /** Between the signal to stop and the end of serving, for proxies that ask /ready to notice. */
  readonly drainDelayMs: number;
  /** Where receivers and workers reach this server, without a slash at the end. Null: its address. */
  readonly publicUrl: string | null;
  /** Host names without ports, or `*`. */
  readonly allowedHosts: readonly string[];
  /** `https://host`, or `*`. */
  readonly corsOrigins: readonly string[];
  /** Webhooks may go to `http://localhost`: for development. */
  readonly allowHttpWebhooks: boolean;
  readonly logFormat: "auto" | "text" | "json";
  readonly logLevel: Level | "silent";
}

export type Command =
  | { readonly name: "serve" | "migrate" | "keys rotate"; readonly config: Config }
  | { readonly name: "help" }
  | { readonly name: "version" };

/** The command line or the environment cannot be used. `message` says what to change. */
export class ConfigError extends Error {
  override name = "ConfigError";
  constructor(message: string) {
    // A connection string may have landed in the wrong place, password and all.
    super(redact(message));
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @throws ConfigError
 */
export function parseCommand(args: readonly string[], environment: Environment): Command {
  const { values, positionals } = parseFlags(args);
  if (values.help === true || positionals[0] === "help") return { name: "help" };
  if (values.version === true) return { name: "version" };
  const [first = "serve", ...others] = positionals;
  const [name, rest] = first === "keys" && others[0] === "rotate"
    ? ["keys rotate" as const, others.slice(1)]
    : [first, others];
  if (name !== "serve" && name !== "migrate" && name !== "keys rotate") {
    const known = ["serve", "migrate", "keys rotate", ...COMMANDS.map((command) => command.name)];
    const guess = nearest(String(name), known);
    const hint = guess === undefined ? `there are ${known.join(", ")}` : `did you mean ${guess}?`;
    throw new ConfigError(`unknown command "${name}": ${hint}`);
  }
  if (rest.length > 0) throw new ConfigError(`unexpected argument "${rest[0]}"`);
  return { name, config: parseConfig(values, environment) };
}

function parseFlags(args: readonly string[]) {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean", short: "V" },
  };
  for (const option of Object.values<Option>(OPTIONS)) {
    options[option.flag] = { type: option.value === undefined ? "boolean" : "string" };
  }
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}

function parseConfig(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  environment: Environment,
): Config {
  const problems: string[] = [];
  const read = <T>(name: OptionName, parse: (text: string) => T): T => {
    const option: Option = OPTIONS[name];
    const flag = flags[option.flag];
    // An empty variable is an unset one: that is how unit files and containers leave them.
    const text = flag !== undefined
      ? String(flag)
      : environment[option.environment] || option.fallback;
    try {
      return parse(text);
    } catch (error) {
      const from = flag !== undefined ? `--${option.flag}` : option.environment;
      problems.push(`${from}: ${(error as Error).message}`);
      return undefined as T;
    }
  };
  const host = read("host", parseHost);
  const publicUrl = read("publicUrl", parsePublicUrl);
  // A server that is known by https is no developer's, though it may listen behind a proxy.
  const development = host !== undefined && isLoopback(host) && !publicUrl?.startsWith("https:");
  const config: Config = {
    host,
    port: read("port", (text) => parseInteger(text, 0, 65535)),
    workers: read("workers", (text) => parseInteger(text, 1, 256)),
    databaseUrl: read("databaseUrl", parseDatabaseUrl),
    databaseConnections: read("databaseConnections", (text) => parseInteger(text, 2, 1000)),
    databaseTimeoutMs: read("databaseTimeout", parseDuration),
    listenUrl: read("listenUrl", parseDatabaseUrl),
    wakeups: read("wakeups", (text) => oneOf(text, ["auto", "listen", "poll"])),
    dataDir: read("dataDir", (text) => text === "" ? null : text),
    longPollTimeoutMs: read("longPollTimeout", parseDuration),
    maxAppendBytes: read("maxAppendBytes", (text) => parseSize(text, 256 << 20)),
    bodyTimeoutMs: read("bodyTimeout", parseDuration),
    maxBufferedBytes: read("maxBufferedBytes", (text) => parseSize(text, 2 ** 40)),
    maxFollowers: read("maxFollowers", (text) => parseInteger(text, 1, 10_000_000)),
    drainDelayMs: read("drainDelay", (text) => text === "" ? 0 : parseDuration(text)),
    publicUrl,
    allowedHosts: read("allowedHosts", (text) => listOf(text).map(parseAllowedHost)),
    corsOrigins: read("corsOrigins", (text) => listOf(text).map(parseOrigin)),
    allowHttpWebhooks: read(
      "allowHttpWebhooks",
      (text) => text === "" ? development : oneOf(text, ["true", "false"]) === "true",
    ),
    logFormat: read("logFormat", (text) => oneOf(text, ["auto", "text", "json"])),
    logLevel: read(
      "logLevel",
      (text) => oneOf(text, ["debug", "info", "warning", "error", "silent"]),
    ),
  };
  if (config.workers > 1 && config.databaseUrl === null) {
    problems.push(
      "--workers: the embedded database serves one process only; several need --database-url",
    );
  }
  const anonymous = read("allowAnonymous", (text) => oneOf(text, ["true", "false"]) === "true");
  if (problems.length === 0 && !isLoopback(config.host) && !anonymous) {
    problems.push(
      `--host ${config.host} is reachable from other machines, and there is no access control ` +
        "yet: put a proxy in front and listen on 127.0.0.1, or say --allow-anonymous",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

function parseHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  if (!/^[A-Za-z0-9.:_-]+$/.test(host)) throw new Error(`"${text}" is not an address`);
  return host;
}

function parseInteger(text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`"${text}" is not a whole number from ${least} to ${most}`);
}

function parseDatabaseUrl(text: string): string | null {
  if (text === "") return null;
  parsePostgresUrl(text);
  return text;
}

function parsePublicUrl(text: string): string | null {
  if (text === "") return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error(`"${text}" is not a URL; expected https://host`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new Error(`a ${url.protocol} URL; expected https://host`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw new Error("streams are at /v1/stream/: give the URL without path, query or user");
  }
  return url.origin;
}

/** Items with commas between. */
function listOf(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

function parseAllowedHost(text: string): string {
  if (text === "*" || /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/.test(text)) return text;
  throw new Error(`"${text}" is not a host name without a port`);
}

function parseOrigin(text: string): string {
  if (text === "*") return text;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && url.origin !== "null" && url.origin === text.replace(/\/$/, "")) {
    return url.origin;
  }
  throw new Error(`"${text}" is not an origin; expected https://host or https://host:port`);
}

/** `500ms`, `30s`, `2m`; a bare number is seconds. Returns milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? "s"]!;
  const milliseconds = match === null ? NaN : Math.round(Number(match[1]) * unit);
  if (milliseconds >= 1 && milliseconds <= 3_600_000) return milliseconds;
  throw new Error(`"${text}" is not a time from 1ms to 60m, such as 500ms, 30s or 2m`);
}

/** `1048576`, `512KiB`, `16MiB`, `2GiB`. Returns bytes. */
export function parseSize(text: string, most: number): number {
  const match = /^(\d{1,13})(KiB|MiB|GiB)?$/.exec(text);
  const unit = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[match?.[2] ?? ""]!;
  const bytes = match === null ? NaN : Number(match[1]) * unit;
  if (bytes >= 1 && bytes <= most) return bytes;
  const largest = `${most / 2 ** 20}MiB`;
  throw new Error(`"${text}" is not a size from 1 byte to ${largest}, such as 65536 or 16MiB`);
}

function oneOf<const T extends string>(text: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(text)) return text as T;
  throw new Error(`"${text}" is none of ${allowed.join(", ")}`);
}
