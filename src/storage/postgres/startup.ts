/** The start: queries and checks the server, and waits for a while until it can be written to. */
import { delay, withTimeout } from "../../lib/timeout.ts";
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { DatabaseUnavailable } from "../database.ts";
import {
  DatabaseRefused,
  isLax,
  refuseMissingGrants,
  refuseProduct,
  refuseUnusable,
  warningsOf,
} from "./checks.ts";
import type { DriverClient } from "./driver/client.ts";
import { askFacts, askProduct, readOnlyReason, type ServerFacts } from "./facts.ts";
import { NoPrimary } from "./primary.ts";
import type { Session } from "./session.ts";

/** How long a start waits for a standby to be promoted, or a server to come up. Milliseconds. */
const WRITABLE_MS = 10_000;
const PAUSE_MS = 250;
/** cannot_connect_now: the server is starting up, or recovering from a crash. */
const STARTING = "57P03";

export interface StartupParts {
  /** Opens a client with one connection and a `DEFAULT_SESSION`. */
  readonly open: () => DriverClient;
  /** How many connections this node opens, including the one for LISTEN. */
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
    await delay(PAUSE_MS);
  }
}

/** The facts, or the reason why the server cannot give them yet. */
async function factsOf({ open, timeoutMs }: StartupParts): Promise<ServerFacts | string> {
  const client = open();
  const ask = async () => {
    refuseProduct(await askProduct(client.sql));
    return await askFacts(client.sql);
  };
  try {
    return await withTimeout(
      ask(),
      timeoutMs + 500,
      () => new DatabaseUnavailable(`no answer within ${timeoutMs} ms`),
    );
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    if (code === STARTING || error instanceof NoPrimary) return message;
    throw error;
  } finally {
    client.end().catch(() => {});
  }
}
