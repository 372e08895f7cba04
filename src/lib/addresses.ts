/**
 * What kind of address a connection would reach, for those whose target a client names (protocol
 * section 12.8). Public is only what is globally routed
 * unicast, and local only what private networks are made of: lists of what may be, for lists of what
 * may not would miss the next special range.
 */
import ipaddr from "ipaddr.js";

/**
 * `public`: of the internet. `local`: of this machine or a private network. `forbidden`: never reached,
 * whatever the operator allows: metadata services, link-local, multicast, and addresses in disguise.
 */
export type AddressKind = "public" | "local" | "forbidden";

/** Where clouds keep their guests' credentials, beside the link-local 169.254.169.254. */
const METADATA = new Set(["168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]);

const LOCAL = new Set(["loopback", "private", "carrierGradeNat", "uniqueLocal"]);

/** @param address as a resolver gives it; anything else is forbidden */
export function kindOfAddress(address: string): AddressKind {
  const parsed = parseAddress(address);
  if (parsed === null || METADATA.has(parsed.toString())) return "forbidden";
  const range = parsed.range();
  if (LOCAL.has(range)) return "local";
  if (range !== "unicast") return "forbidden";
  // 2000::/3 is all of IPv6 that is allotted, and leaves out the old ::a.b.c.d, "unicast" too.
  const allotted = parsed instanceof ipaddr.IPv4 || (parsed.parts[0]! & 0xe000) === 0x2000;
  return allotted ? "public" : "forbidden";
}

/** An address without a zone, in one of its usual spellings; `127.1` is none. */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return !text.includes("%") && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : null;
}
