/**
 * Which addresses a webhook may reach (section 12.8). Only what is globally routed unicast: a list
 * of what is allowed, for a list of what is not would miss the next special range.
 */
import ipaddr from "ipaddr.js";

export type AddressKind = "public" | "loopback" | "refused";

/** Microsoft's metadata and DNS server has a public address that only its guests can reach. */
const METADATA = new Set(["168.63.129.16"]);

/** @param address as a resolver gives it; anything else is refused */
export function kindOfAddress(address: string): AddressKind {
  if (address.includes("%")) return "refused";
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return kindOfV4(ipaddr.IPv4.parse(address));
  if (!ipaddr.IPv6.isValid(address)) return "refused";
  const v6 = ipaddr.IPv6.parse(address);
  if (v6.range() === "loopback") return "loopback";
  // ::ffff:a.b.c.d is a.b.c.d to the kernel; a public one has no business being written so.
  // 2000::/3 is all that is allotted, and leaves out the old ::a.b.c.d, which is "unicast" too.
  const allotted = (v6.parts[0]! & 0xe000) === 0x2000;
  return allotted && v6.range() === "unicast" ? "public" : "refused";
}

function kindOfV4(v4: ipaddr.IPv4): AddressKind {
  const range = v4.range();
  if (range === "loopback") return "loopback";
  return range === "unicast" && !METADATA.has(v4.toString()) ? "public" : "refused";
}
