/** Whether the receivers of webhooks can be reached: a connection to each, and nothing sent on it. */
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { NetworkTarget } from "../../lib/network_targets.ts";
import { withTimeout } from "../../lib/timeout.ts";
import type { Database } from "../../storage/database.ts";
import { hostOf, portOf, WebhookPolicy } from "../../subscriptions/webhook_policy.ts";
import { type Finding, ok, warning } from "./findings.ts";

/** Receivers that are connected to, at most. */
const MOST = 50;
const CONNECT_MS = 3000;

const URLS =
  `select webhook_url as url, min(name collate "C") as subscription, count(*)::int as count
from penstock.subscriptions
where deleted_at is null and webhook_url is not null
group by webhook_url order by count(*) desc, webhook_url limit $1`;

interface WebhookRow {
  readonly url: string;
  readonly subscription: string;
  readonly count: number;
}

/** One finding for all receivers that can be reached, and one for each that cannot. */
export async function checkWebhooks(
  database: Database,
  allowed: readonly NetworkTarget[],
): Promise<Finding[]> {
  const rows = await database.query<WebhookRow>(URLS, [MOST + 1]);
  if (rows.length === 0) return [ok("webhooks", "no subscription has a webhook")];
  const policy = new WebhookPolicy(allowed);
  const byHost = new Map<string, WebhookRow>();
  for (const row of rows.slice(0, MOST)) {
    const { origin } = new URL(row.url);
    if (!byHost.has(origin)) byHost.set(origin, row);
  }
  const problems = await Promise.all(
    [...byHost].map(async ([origin, row]) => {
      const problem = await problemOf(new URL(row.url), policy);
      return problem === null ? [] : [warning(
        "webhooks",
        `${origin}, of subscription ${row.subscription}, cannot be reached: ${problem}`,
        "start the receiver, let this machine connect to it, or name it by --webhook-allow; " +
          "deliveries are tried again meanwhile",
      )];
    }),
  );
  const found = problems.flat();
  const reached = byHost.size - found.length;
  const more = rows.length > MOST ? `; of more than ${MOST} webhooks these were connected to` : "";
  if (reached > 0) found.push(ok("webhooks", `${reached} receivers can be reached${more}`));
  return found;
}

async function problemOf(url: URL, policy: WebhookPolicy): Promise<string | null> {
  const host = hostOf(url);
  try {
    const [first] = isIP(host) > 0 ? [{ address: host }] : await withTimeout(
      lookup(host, { all: true }),
      CONNECT_MS,
      () => new Error("the name is not resolved in time"),
    );
    if (first === undefined) return "the name has no address";
    const refusal = policy.refuseAddress(url, first.address);
    if (refusal !== null) return refusal;
    await reach(url, first.address);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Resolves when there is a connection, and with https when its certificate is found valid. */
function reach(url: URL, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const target = { host: address, port: portOf(url) };
    const secure = url.protocol === "https:";
    const name = hostOf(url);
    const socket = secure
      ? connectTls({ ...target, ...(isIP(name) > 0 ? {} : { servername: name }) })
      : connectTcp(target);
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error("no answer in time")));
    socket.once(secure ? "secureConnect" : "connect", () => {
      resolve();
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
