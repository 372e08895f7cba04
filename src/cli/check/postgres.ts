/** Checks of the PostgreSQL that the settings name, before anything is opened for good. */
import { messageOf } from "../../telemetry/redact.ts";
import {
  DatabaseRefused,
  isLax,
  refuseEncoding,
  refuseMissingGrants,
  refuseProduct,
  refuseVersion,
  warningsOf,
} from "../../storage/postgres/checks.ts";
import { createFinder, openClient, type PostgresOptions } from "../../storage/postgres/client.ts";
import {
  askFacts,
  askProduct,
  readOnlyReason,
  type ServerFacts,
} from "../../storage/postgres/facts.ts";
import { DEFAULT_SESSION } from "../../storage/postgres/session.ts";
import { parsePostgresUrl } from "../../storage/postgres/url.ts";
import { wakeupMode } from "../../storage/postgres/wakeup_mode.ts";
import { withTimeout } from "../../lib/timeout.ts";
import { failure, type Finding, ok, warning } from "./findings.ts";

/** Settings that decide what a crash can take. */
const DURABILITY = ["fsync", "full_page_writes", "synchronous_commit"];

export interface PostgresFindings {
  readonly findings: readonly Finding[];
  /** Null: the server could not be asked. */
  readonly facts: ServerFacts | null;
}

export async function checkPostgres(options: PostgresOptions): Promise<PostgresFindings> {
  const { place } = parsePostgresUrl(options.url);
  const finder = createFinder(options);
  const client = openClient(options, { connections: 1, session: DEFAULT_SESSION, finder });
  const ask = async (): Promise<PostgresFindings> => {
    const product = await askProduct(client.sql);
    const refused = refusalOf("version", () => refuseProduct(product));
    if (refused !== null) return { findings: [refused], facts: null };
    const facts = await askFacts(client.sql);
    const reached = ok("database", `${place} answers, as role ${facts.role}`);
    return { findings: [reached, ...findingsOf(facts, options)], facts };
  };
  try {
    const late = () => new Error(`no answer within ${options.timeoutMs} ms`);
    return await withTimeout(ask(), options.timeoutMs + 500, late);
  } catch (error) {
    const message = `${place}: ${messageOf(error)}`;
    return { findings: [failure("database", message, fixOf(error))], facts: null };
  } finally {
    client.end().catch(() => {});
  }
}

function findingsOf(facts: ServerFacts, options: PostgresOptions): Finding[] {
  const readOnly = readOnlyReason(facts);
  return [
    refusalOf("version", () => refuseVersion(facts)) ??
      ok("version", `PostgreSQL ${facts.version}`),
    refusalOf("encoding", () => refuseEncoding(facts)) ?? ok("encoding", facts.encoding),
    readOnly === null
      ? ok("primary", "it can be written to")
      : failure("primary", "it cannot be written to", readOnly),
    refusalOf("permissions", () => refuseMissingGrants(facts)) ??
      ok("permissions", `role ${facts.role} may do what is needed`),
    ...warned(facts, options),
    pooler(facts, options),
  ];
}

function warned(facts: ServerFacts, options: PostgresOptions): Finding[] {
  const connections = options.connections + 1;
  const found = warningsOf(facts, { connections });
  const findings = found.map(({ setting, message }) => {
    // The sentences of the start say what is wrong first, and then what to do about it.
    const durability = DURABILITY.includes(setting);
    const fix = durability
      ? `set ${setting} = on in postgresql.conf and reload (ALTER SYSTEM SET ${setting} = on; ` +
        "SELECT pg_reload_conf())"
      : "raise the limit, or lower --database-connections";
    const harmless = setting === "synchronous_commit" && !facts.pooled;
    if (harmless) return ok("durability", message);
    return warning(durability ? "durability" : "connections", message, fix);
  });
  if (!findings.some(({ check }) => check === "durability")) {
    const commit = isLax(facts.synchronousCommit) ? "on, by its sessions" : facts.synchronousCommit;
    findings.push(
      ok("durability", `fsync on, full_page_writes on, synchronous_commit ${commit}`),
    );
  }
  if (!findings.some(({ check }) => check === "connections")) {
    findings.push(ok("connections", `there is room for the ${connections} of a node`));
  }
  return findings;
}

function pooler(facts: ServerFacts, options: PostgresOptions): Finding {
  if (!facts.pooled) return ok("pooler", "the connection leads to the server itself");
  const { mode, reason } = wakeupMode(
    { wakeups: options.wakeups ?? "auto", listenUrl: options.listenUrl ?? null },
    true,
  );
  if (mode === "listen" && (options.listenUrl ?? null) !== null) {
    return ok("pooler", "the connection leads to a pooler, and --listen-url is for LISTEN");
  }
  return warning(
    "pooler",
    mode === "listen"
      ? "the connection leads to a pooler, and --wakeups listen asks for LISTEN through it"
      : `the connection leads to a pooler: wake-ups by polling twice a second (${reason})`,
    "give --listen-url a URL that leads to the same database past the pooler",
  );
}

/** What a check of the start refuses; its message says after the colon how to repair it. */
function refusalOf(check: string, refuse: () => void): Finding | null {
  try {
    refuse();
    return null;
  } catch (error) {
    if (!(error instanceof DatabaseRefused)) throw error;
    const { message } = error;
    const colon = message.indexOf(": ");
    return failure(
      check,
      colon === -1 ? message : message.slice(0, colon),
      colon === -1 ? message : message.slice(colon + 2),
    );
  }
}

const FIXES: readonly (readonly [codes: RegExp, fix: string])[] = [
  [/^28P01$/, "correct the password in --database-url, or set it: ALTER ROLE … PASSWORD '…'"],
  [/^28/, "allow the role to connect from this machine: a line in pg_hba.conf, and LOGIN"],
  [/^3D000$/, "create the database (CREATE DATABASE … ENCODING 'UTF8'), or name another one"],
  [/^53300$/, "the server has no connection left: raise max_connections, or end idle sessions"],
  [/^42501$/, "GRANT CONNECT ON DATABASE … TO the role"],
  [/^ENOTFOUND|^EAI_/, "correct the host in --database-url, or this machine's name server"],
  [
    /^ECONNREFUSED$/,
    "start PostgreSQL there, correct host and port in --database-url, or set its " +
    "listen_addresses",
  ],
  [/^57P03$/, "wait until the server has started"],
];

function fixOf(error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code } = each as { code?: unknown };
    const fix = FIXES.find(([codes]) => typeof code === "string" && codes.test(code))?.[1];
    if (fix !== undefined) return fix;
  }
  return "see that PostgreSQL runs, and that this machine can connect to it: host, port, firewall, TLS";
}
