/** Where a request comes from: its connection, or what proxies that are trusted say of it. */
import ipaddr from "ipaddr.js";
import { parseAddress } from "./addresses.ts";
import { isWithin, type Network } from "./network_targets.ts";

/** Proxies that a header is read for; a longer one is a client's doing. */
const MOST_HOPS = 32;
/** What one subscriber gets of IPv6: the addresses in it are one client's. */
const IPV6_PREFIX_PARTS = 4;

/**
 * @param peer the connection's address; null where it is not known
 * @param forwardedFor X-Forwarded-For: each proxy adds on the right the address that it was asked from
 * @returns the address of the last that no trusted proxy stands for
 */
export function clientAddress(
  peer: string | null,
  forwardedFor: string | null,
  trusted: readonly Network[],
): string | null {
  if (peer === null || forwardedFor === null || !isTrusted(peer, trusted)) return peer;
  const hops = forwardedFor.split(",").slice(-MOST_HOPS);
  let client = peer;
  for (let at = hops.length - 1; at >= 0; at--) {
    const hop = parseHop(hops[at]!.trim());
    if (hop === null) return client;
    client = hop;
    if (!isTrusted(client, trusted)) return client;
  }
  return client;
}

/** What the addresses of one client have in common: of IPv6 the first 64 bits. */
export function networkOfClient(address: string): string {
  const parsed = unmapped(address);
  if (parsed === null || parsed instanceof ipaddr.IPv4) return parsed?.toString() ?? address;
  const parts = parsed.parts.map((part, at) => at < IPV6_PREFIX_PARTS ? part : 0);
  return new ipaddr.IPv6(parts).toString();
}

function isTrusted(address: string, trusted: readonly Network[]): boolean {
  const parsed = unmapped(address);
  return parsed !== null && trusted.some((network) => isWithin(parsed, network));
}

/** Some proxies add the port: `192.0.2.1:80`, `[2001:db8::1]:80`. */
function parseHop(text: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
  return unmapped(bare)?.toString() ?? null;
}

/** `::ffff:192.0.2.1` is how a socket of both families says 192.0.2.1. */
function unmapped(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  const parsed = parseAddress(text);
  if (parsed === null || parsed instanceof ipaddr.IPv4) return parsed;
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address() : parsed;
}
