/** Checks that need the database opened as a node opens it. Nothing in it is changed. */
import { existsSync } from "node:fs";
import type { Config } from "../config.ts";
import type { Database } from "../../storage/database.ts";
import { pendingMigrations, SchemaRefused } from "../../storage/migrate.ts";
import { parsePostgresUrl } from "../../storage/postgres/url.ts";
import { messageOf } from "../../telemetry/redact.ts";
import { checkDisk } from "./machine.ts";
import { failure, type Finding, ok, warning } from "./findings.ts";
import { checkWebhooks } from "./webhooks.ts";

/** Clocks that differ by more make expiry times and logs hard to read. Milliseconds. */
const CLOCK_MS = 2000;
const CHANNEL = "penstock_check";

export async function checkOpened(database: Database, config: Config): Promise<Finding[]> {
  const { finding, current } = await checkSchema(database);
  const findings = [finding, await checkListen(database), await checkClock(database)];
  if (database.kind === "postgres") findings.push(await checkServerDisk(database, config));
  // Without the tables there are no subscriptions, and newer tables may be others.
  if (current) findings.push(...await checkWebhooks(database, config.webhookAllow));
  return findings;
}

async function checkSchema(
  database: Database,
): Promise<{ readonly finding: Finding; readonly current: boolean }> {
  try {
    const pending = await pendingMigrations(database);
    if (pending === "all") {
      return { finding: ok("schema", "there is none: the first start makes it"), current: false };
    }
    const message = pending.length === 0
      ? "it is up to date"
      : `the next start migrates it: ${pending.join(", ")}`;
    return { finding: ok("schema", message), current: true };
  } catch (error) {
    if (!(error instanceof SchemaRefused)) throw error;
    const fix = /newer/.test(error.message)
      ? "run the newer Penstock, or restore a backup from before the upgrade"
      : "name another database, or drop the schema penstock and what is in it";
    return { finding: failure("schema", error.message, fix), current: false };
  }
}

/** A NOTIFY that is sent on one connection and heard on the other. */
async function checkListen(database: Database): Promise<Finding> {
  if (database.kind === "embedded") return ok("listen", "one node needs no wake-ups by others");
  if (!database.listens) return ok("listen", "wake-ups are by polling: nothing listens");
  try {
    const began = performance.now();
    const events = { onPayload: () => {}, onPeer: () => {}, onListening: () => {} };
    const listening = await database.listen(CHANNEL, events);
    const ms = Math.round(performance.now() - began);
    await listening.stop();
    return ok("listen", `a NOTIFY is heard, ${ms} ms after connecting began`);
  } catch (error) {
    return failure(
      "listen",
      messageOf(error),
      "--listen-url must lead to the same database past any pooler; or say --wakeups poll",
    );
  }
}

async function checkClock(database: Database): Promise<Finding> {
  if (database.kind === "embedded") return ok("clock", "the database has this machine's");
  const before = Date.now();
  const [row] = await database.query<{ ms: number }>(
    "select extract(epoch from clock_timestamp())::float8 * 1000 as ms",
  );
  const after = Date.now();
  const offset = Number(row!.ms) - (before + after) / 2;
  const seconds = Math.abs(offset / 1000).toFixed(1);
  if (Math.abs(offset) <= CLOCK_MS + (after - before) / 2) {
    return ok("clock", `within ${seconds} s of the database server's`);
  }
  return warning(
    "clock",
    `this machine's clock is ${seconds} s ${
      offset > 0 ? "behind" : "ahead of"
    } the database server's`,
    "run an NTP client (systemd-timesyncd, chrony) on both machines",
  );
}

/** The server's disk can be asked only where it is this machine's, and the role may know the folder. */
async function checkServerDisk(database: Database, config: Config): Promise<Finding> {
  const [row] = await database.query<{ bytes: number; folder: string | null }>(
    `select pg_database_size(current_database()) as bytes,
      (select setting from pg_catalog.pg_settings where name = 'data_directory') as folder`,
  );
  const size = `the database has ${Math.ceil(Number(row!.bytes) / 2 ** 20)} MiB`;
  const folder = row!.folder;
  const hosts = parsePostgresUrl(config.databaseUrl ?? "postgres://").hosts;
  const local = hosts.every(({ host }) => /^(localhost$|127\.|::1$|\/)/.test(host));
  if (!local || folder === null || !existsSync(folder)) {
    return ok("disk", `${size}; how much is free on its server cannot be asked from here`);
  }
  return checkDisk(folder);
}
