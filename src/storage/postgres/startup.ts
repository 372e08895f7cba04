/** The start: asks the server what it is, waits a little for a promotion, refuses or warns. */
import type postgres from "postgres";
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { DatabaseUnavailable } from "../database.ts";
import {
  DatabaseRefused,
  isLax,
  refuseMissingGrants,
  refuseUnusable,
  warningsOf,
} from "./checks.ts";
import { NoPrimary } from "./primary.ts";
import { askFacts, readOnlyReason, type ServerFacts } from "./facts.ts";

/** How long a start waits for a standby to be promoted, or a server to come up. Milliseconds. */
const WRITABLE_MS = 10_000;
const PAUSE_MS = 250;

/** How our sessions differ from what the server would give them. */
export interface Session {
  /** Behind a pooler, which may give each transaction another server session. */
  readonly pooled: boolean;
  /** Null: as it is by default. */
  readonly synchronousCommit: "on" | null;
}

/** As the server has it: to ask what that is. */
export const PLAIN: Session = { pooled: true, synchronousCommit: null };

export interface StartupParts {
  /** A client of one connection, for a `PLAIN` session. */
  readonly open: () => postgres.Sql;
  /** Connections this node opens, the one that listens included. */
  readonly connections: number;
  readonly timeoutMs: number;
  readonly report: (event: TelemetryEvent) => void;
}

export interface Startup {
  readonly facts: ServerFacts;
  readonly session: Session;
}

/**
 * @throws DatabaseRefused for what an operator must change
 * @throws DatabaseUnavailable when it cannot be reached
 */
export async function startUp(parts: StartupParts): Promise<Startup> {
  const facts = await writableServer(parts);
  refuseMissingGrants(facts);
  for (const warning of warningsOf(facts, parts)) {
    parts.report({ event: "database_warning", ...warning });
  }
  const lax = isLax(facts.synchronousCommit) && !facts.pooled;
  parts.report({
    event: "database_checked",
    version: facts.version,
    encoding: facts.encoding,
    fsync: facts.fsync,
    fullPageWrites: facts.fullPageWrites,
    synchronousCommit: lax ? "on" : facts.synchronousCommit,
    pooled: facts.pooled,
  });
  return { facts, session: { pooled: facts.pooled, synchronousCommit: lax ? "on" : null } };
}

async function writableServer(parts: StartupParts): Promise<ServerFacts> {
  const deadline = performance.now() + WRITABLE_MS;
  let waiting = false;
  while (true) {
    const facts = await factsOf(parts);
    if (typeof facts !== "string") refuseUnusable(facts);
    const reason = typeof facts === "string" ? facts : readOnlyReason(facts);
    if (reason === null) return facts as ServerFacts;
    if (performance.now() >= deadline) {
      throw new DatabaseRefused(`the database cannot be written to: ${reason}`);
    }
    if (!waiting) parts.report({ event: "database_waiting", reason, ms: WRITABLE_MS });
    waiting = true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** The facts, or why the server cannot say them yet. */
async function factsOf({ open, timeoutMs }: StartupParts): Promise<ServerFacts | string> {
  const client = open();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new DatabaseUnavailable(`no answer within ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), timeoutMs + 500);
  });
  const asked = askFacts(client);
  asked.catch(() => {});
  try {
    return await Promise.race([asked, late]);
  } catch (error) {
    // cannot_connect_now: starting up, or recovering from a crash.
    const { code, message } = error as { code?: unknown; message: string };
    if (code === "57P03" || error instanceof NoPrimary) return message;
    throw error;
  } finally {
    clearTimeout(timer);
    client.end({ timeout: 0 }).catch(() => {});
  }
}
