/** Settings: flags over environment over defaults, each validated, all errors at once. */
import { type AccessSettings, asksForAccess } from "../access/settings.ts";
import type { QuotaRules } from "../access/quotas.ts";
import type { Rates } from "../access/rate_limits.ts";
import type { CertificateFiles } from "../lib/certificate.ts";
import type { Network } from "../lib/network_targets.ts";
import { parseQuotas, parseRates, parseTrustedProxies } from "./limit_settings.ts";
import { accessProblems, parseAccess } from "./access_settings.ts";
import { type Option, type OptionName, OPTIONS } from "./options.ts";
import { type GivenSettings, readSecretFiles } from "./secret_files.ts";
import {
  isLoopback,
  listOf,
  oneOf,
  parseAge,
  parseAllowedHost,
  parseDatabaseUrl,
  parseDataDir,
  parseDuration,
  parseHost,
  parseInteger,
  parseOrigin,
  parsePublicUrl,
  parseSize,
} from "./setting_values.ts";
import { parseRetentionRules, type RetentionRule } from "../streams/retention/rules.ts";
import type { AccessLogFormat } from "../telemetry/access_log.ts";
import type { Level } from "../telemetry/describe.ts";
import { redact } from "../telemetry/redact.ts";
import { parseTracing, type TracingSettings } from "../tracing/settings.ts";
import { type NetworkTarget, parseNetworkTarget } from "../lib/network_targets.ts";

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
  /** The flag or variable that decided on the database, or `default`. */
  readonly databaseSource: string;
  /** The flag or variable that names another database, and gives way. */
  readonly databaseIgnored: string | null;
  readonly longPollTimeoutMs: number;
  readonly maxAppendBytes: number;
  readonly bodyTimeoutMs: number;
  /** Bytes of bodies and pages under way, all together. */
  readonly maxBufferedBytes: number;
  readonly maxFollowers: number;
  /** What streams keep that have no retention of their own. */
  readonly retention: readonly RetentionRule[];
  /** Null: any number. */
  readonly maxProducersPerStream: number | null;
  /** Null: never. */
  readonly producerIdleExpiryMs: number | null;
  /** Which caches may keep pages of streams. */
  readonly cacheControl: "public" | "private" | "no-store";
  /** Between the signal to stop and the end of serving, for proxies that ask /ready to notice. */
  readonly drainDelayMs: number;
  /** Where receivers and workers reach this server, without a slash at the end. Null: its address. */
  readonly publicUrl: string | null;
  /** Host names without ports, or `*`. */
  readonly allowedHosts: readonly string[];
  /** `https://host`, or `*`. */
  readonly corsOrigins: readonly string[];
  /** What webhooks may reach beyond https to the internet. */
  readonly webhookAllow: readonly NetworkTarget[];
  readonly accessControl: AccessSettings;
  /** Empty: nothing is counted. */
  readonly rates: Rates;
  /** Null: namespaces may hold anything. */
  readonly quotas: QuotaRules | null;
  /** Null: any number. */
  readonly maxLivePerPrincipal: number | null;
  readonly trustedProxies: readonly Network[];
  /** Null: plain HTTP. */
  readonly certificateFiles: CertificateFiles | null;
  /** Null: what operators ask for is on `port`. */
  readonly adminPort: number | null;
  readonly adminHost: string;
  readonly logFormat: "auto" | "text" | "json";
  readonly logLevel: Level | "silent";
  readonly accessLog: AccessLogFormat | "off";
  readonly inspector: "on" | "read-only" | "off";
  /** Null: nothing is traced. */
  readonly tracing: TracingSettings | null;
}

/** The command line or the environment cannot be used. `problems` say what to change. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    // A connection string may have landed in the wrong place, password and all.
    const shown = problems.map(redact);
    super(shown.join("\n"));
    this.problems = shown;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ConfigError with all that is wrong */
export function parseConfig(
  givenFlags: ReadonlyMap<string, string | true>,
  givenEnvironment: Environment,
): Config {
  const problems: string[] = [];
  const { flags, environment, sources } = readSecretFiles(
    { flags: givenFlags, environment: givenEnvironment },
    problems,
  );
  const read = readerOf(flags, environment, problems);
  const host = read("host", parseHost);
  const publicUrl = read("publicUrl", parsePublicUrl);
  const config: Config = {
    host,
    port: read("port", (text) => parseInteger(text, 0, 65535)),
    workers: read("workers", (text) => parseInteger(text, 1, 256)),
    ...chooseDatabase({ flags, environment, sources }, read),
    databaseConnections: read("databaseConnections", (text) => parseInteger(text, 2, 1000)),
    databaseTimeoutMs: read("databaseTimeout", parseDuration),
    listenUrl: read("listenUrl", parseDatabaseUrl),
    wakeups: read("wakeups", (text) => oneOf(text, ["auto", "listen", "poll"])),
    longPollTimeoutMs: read("longPollTimeout", parseDuration),
    maxAppendBytes: read("maxAppendBytes", (text) => parseSize(text, 256 << 20)),
    bodyTimeoutMs: read("bodyTimeout", parseDuration),
    maxBufferedBytes: read("maxBufferedBytes", (text) => parseSize(text, 2 ** 40)),
    maxFollowers: read("maxFollowers", (text) => parseInteger(text, 1, 10_000_000)),
    retention: read("retention", parseRetentionRules),
    ...producersOf(read),
    cacheControl: read(
      "cacheControl",
      (text) => oneOf(text, ["public", "private", "no-store"]),
    ),
    drainDelayMs: read("drainDelay", (text) => text === "" ? 0 : parseDuration(text)),
    publicUrl,
    allowedHosts: read("allowedHosts", (text) => listOf(text).map(parseAllowedHost)),
    corsOrigins: read("corsOrigins", (text) => listOf(text).map(parseOrigin)),
    webhookAllow: read("webhookAllow", (text) => listOf(text).flatMap(parseNetworkTarget)),
    accessControl: parseAccess(read),
    ...parseEdge(read, problems),
    logFormat: read("logFormat", (text) => oneOf(text, ["auto", "text", "json"])),
    logLevel: read(
      "logLevel",
      (text) => oneOf(text, ["debug", "info", "warning", "error", "silent"]),
    ),
    accessLog: read("accessLog", (text) => oneOf(text, ["off", "text", "json"])),
    inspector: read("inspector", (text) => oneOf(text, ["on", "read-only", "off"])),
    tracing: parseTracing(environment, problems),
  };
  const anonymous = read("allowAnonymous", (text) => oneOf(text, ["true", "false"]) === "true");
  checkCombinations(config, anonymous, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

type Reader = <T>(name: OptionName, parse: (text: string) => T) => T;

function producersOf(read: Reader): Pick<Config, "maxProducersPerStream" | "producerIdleExpiryMs"> {
  const most = (text: string) => parseInteger(text, 0, 1_000_000) || null;
  return {
    maxProducersPerStream: read("maxProducersPerStream", most),
    producerIdleExpiryMs: read("producerIdleExpiry", parseAge),
  };
}

function clientLimitsOf(
  read: Reader,
): Pick<Config, "rates" | "maxLivePerPrincipal" | "trustedProxies"> {
  const most = (text: string) => text === "" ? null : parseInteger(text, 1, 1_000_000);
  return {
    rates: read("rate", parseRates),
    maxLivePerPrincipal: read("maxLivePerPrincipal", most),
    trustedProxies: read("trustedProxies", parseTrustedProxies),
  };
}

/** Reads settings one by one, and adds what is wrong with each to `problems`. */
function readerOf(
  flags: ReadonlyMap<string, string | true>,
  environment: Environment,
  problems: string[],
): Reader {
  return <T>(name: OptionName, parse: (text: string) => T): T => {
    const option: Option = OPTIONS[name];
    const flag = flags.get(option.flag);
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
}

type EdgeSetting =
  | "rates"
  | "quotas"
  | "maxLivePerPrincipal"
  | "trustedProxies"
  | "certificateFiles"
  | "adminPort"
  | "adminHost";

/** What the listeners let in, and by which certificate. */
function parseEdge(read: Reader, problems: string[]): Pick<Config, EdgeSetting> {
  return {
    ...clientLimitsOf(read),
    quotas: read("quota", parseQuotas),
    certificateFiles: certificateFilesOf(read, problems),
    adminPort: read("adminPort", (text) => text === "" ? null : parseInteger(text, 0, 65535)),
    adminHost: read("adminHost", parseHost),
  };
}

function certificateFilesOf(read: Reader, problems: string[]): CertificateFiles | null {
  const certFile = read("tlsCert", (text) => text);
  const keyFile = read("tlsKey", (text) => text);
  if (certFile !== "" && keyFile !== "") return { certFile, keyFile };
  if (certFile !== keyFile) problems.push("--tls-cert, --tls-key: each needs the other");
  return null;
}

function checkCombinations(config: Config, anonymous: boolean, problems: string[]): void {
  if (config.workers > 1 && config.databaseUrl === null) {
    problems.push(
      "--workers: the embedded database serves one process only; several need --database-url",
    );
  }
  // With a setting that could not be read, there is nothing to compare.
  if (problems.length > 0) return;
  problems.push(...accessProblems(config.accessControl));
  const guarded = anonymous || asksForAccess(config.accessControl);
  if (config.adminPort !== null && !isLoopback(config.adminHost) && !guarded) {
    problems.push(
      `--admin-host ${config.adminHost} is reachable from other machines, and there is no access control`,
    );
  }
  if (!isLoopback(config.host) && !guarded) {
    problems.push(
      `--host ${config.host} is reachable from other machines, and there is no access control: ` +
        "give --access on, --admin-token-file, a --jwt option or --anonymous, or put a proxy in front and listen " +
        "on 127.0.0.1, or say --allow-anonymous",
    );
  }
}

/**
 * A folder named by a flag wins over a URL of the environment, for what somebody typed just now is
 * what they mean. Where both are flags, or both are variables, the URL wins.
 */
function chooseDatabase(
  { flags, environment, sources }: GivenSettings,
  read: Reader,
): Pick<Config, "databaseUrl" | "dataDir" | "databaseSource" | "databaseIgnored"> {
  const sourceOf = ({ flag, environment: variable }: Option): string | null => {
    if (flags.has(flag)) return flags.get(flag) === "" ? null : `--${flag}`;
    return environment[variable] ? variable : null;
  };
  const given = sourceOf(OPTIONS.databaseUrl);
  const url = given === null ? null : sources.get(given) ?? given;
  const folder = sourceOf(OPTIONS.dataDir);
  const isEmbedded = url === null || (folder?.startsWith("--") === true && !url.startsWith("--"));
  return {
    databaseUrl: isEmbedded ? null : read("databaseUrl", parseDatabaseUrl),
    dataDir: isEmbedded ? read("dataDir", parseDataDir) : null,
    databaseSource: (isEmbedded ? folder : url) ?? "default",
    databaseIgnored: isEmbedded ? url : folder,
  };
}
