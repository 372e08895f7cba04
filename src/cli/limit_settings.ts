/** The settings of limits, from their texts. */
import { type Rate, RATED, type Rated, type Rates } from "../access/rate_limits.ts";
import type { Network } from "../lib/client_address.ts";
import { parseNetwork } from "../lib/network_targets.ts";
import { listOf, parseInteger, parseSize } from "./setting_values.ts";

const WINDOWS = { s: 1, m: 60 } as const;
const MOST_REQUESTS = 1_000_000_000;
const MOST_BYTES = 2 ** 40;

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

export function parseTrustedProxies(text: string): readonly Network[] {
  return listOf(text).map((item) => {
    const network = parseNetwork(item);
    if (network === null) throw new Error(`"${item}" is not an address or a network`);
    return network;
  });
}
