/** The settings of limits, from their texts. */
import { NO_NAMESPACE, parseNamespace } from "../access/namespaces.ts";
import type { Quota, QuotaRules } from "../access/quotas.ts";
import { type Rate, RATED, type Rated, type Rates } from "../access/rate_limits.ts";
import { type Network, parseNetwork } from "../lib/network_targets.ts";
import { listOf, parseInteger, parseSize } from "./setting_values.ts";

const WINDOWS = { s: 1, m: 60 } as const;
const MOST_REQUESTS = 1_000_000_000;
const MOST_BYTES = 2 ** 40;
const MOST_STREAMS = 1_000_000_000;
/** A pebibyte. */
const MOST_STORED_BYTES = 2 ** 50;

/** `append=1000/s,bytes=10MiB/s`. */
export function parseRates(text: string): Rates {
  const rates = new Map<Rated, Rate>();
  for (const item of listOf(text)) {
    const match = /^(\w+)=(\w+)\/([sm])$/.exec(item);
    if (match === null) throw new Error(`"${item}" is not a rate such as append=1000/s`);
    const name = match[1]! as Rated;
    if (!RATED.includes(name)) throw new Error(`"${name}" is none of ${RATED.join(", ")}`);
    if (rates.has(name)) throw new Error(`${name} is given twice`);
    const quota = name === "bytes"
      ? parseSize(match[2]!, MOST_BYTES)
      : parseInteger(match[2]!, 1, MOST_REQUESTS);
    rates.set(name, { quota, windowSeconds: WINDOWS[match[3] as keyof typeof WINDOWS] });
  }
  return rates;
}

/** `streams=1000,bytes=10GiB; acme: bytes=1TiB`. The first without a name is that of all others. */
export function parseQuotas(text: string): QuotaRules | null {
  if (text.trim() === "") return null;
  const named = new Map<string, Quota>();
  for (const rule of text.split(";").filter((rule) => rule.trim() !== "")) {
    const colon = rule.lastIndexOf(":");
    const parsed = colon < 0
      ? { namespace: NO_NAMESPACE }
      : parseNamespace(rule.slice(0, colon).trim());
    if (typeof parsed === "string") throw new Error(parsed);
    if (named.has(parsed.namespace)) throw new Error(`"${rule.trim()}" is a second quota`);
    named.set(parsed.namespace, parseQuota(rule.slice(colon + 1)));
  }
  const general = named.get(NO_NAMESPACE) ?? null;
  named.delete(NO_NAMESPACE);
  return { general, named };
}

function parseQuota(text: string): Quota {
  const quota = { streams: Infinity, bytes: Infinity };
  for (const item of listOf(text)) {
    const match = /^(streams|bytes)=(\w+)$/.exec(item);
    if (match === null) throw new Error(`"${item}" is not a quota such as streams=1000`);
    const name = match[1] as keyof Quota;
    if (quota[name] !== Infinity) throw new Error(`${name} is given twice`);
    quota[name] = name === "bytes"
      ? parseSize(match[2]!, MOST_STORED_BYTES)
      : parseInteger(match[2]!, 1, MOST_STREAMS);
  }
  if (quota.streams === Infinity && quota.bytes === Infinity) {
    throw new Error("a quota gives streams, bytes or both");
  }
  return quota;
}

export function parseTrustedProxies(text: string): readonly Network[] {
  return listOf(text).map((item) => {
    const network = parseNetwork(item);
    if (network === null) throw new Error(`"${item}" is not an address or a network`);
    return network;
  });
}
