/** Hosts, addresses and networks that an operator allows to be reached, each with a port or without. */
import ipaddr from "ipaddr.js";
import { parseAddress } from "./addresses.ts";

/** A host, or the addresses of a network. */
export type NetworkTarget =
  & ({ readonly host: string } | { readonly network: Network })
  /** Null: any port. */
  & { readonly port: number | null };

/** A network, as `ipaddr.js` has it: an address, and the length of its prefix. */
export type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

const HOST = /^(?=.{1,253}$)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/**
 * The targets that one item of the list means: a host (`host.docker.internal:4700`), an address or a
 * network (`10.0.0.0/8`, `[fd00::/8]:8080`), each with a port or without. `localhost` means this
 * machine, by whatever loopback name or address.
 * @throws Error that says what is wrong
 */
export function parseNetworkTarget(text: string): NetworkTarget[] {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  // IPv6 without a port needs no brackets.
  const name = (match?.[1] ?? match?.[2] ?? text).toLowerCase().replace(/\.$/, "");
  const port = match?.[3] === undefined ? null : Number(match[3]);
  if (port !== null && (port < 1 || port > 65535)) throw new Error(`"${text}" has no valid port`);
  if (name === "localhost") {
    const networks = ["127.0.0.0/8", "::1"].map((network) => parseNetwork(network)!);
    return [{ host: name, port }, ...networks.map((network) => ({ network, port }))];
  }
  const network = parseNetwork(name);
  if (network !== null) return [{ network, port }];
  if (HOST.test(name) && !/^[\d.]+$/.test(name)) return [{ host: name, port }];
  throw new Error(
    `"${text}" is no host, address or network, such as localhost:9000, 10.0.0.0/8 or [fd00::/8]:8080`,
  );
}

/** An address or a network, `10.0.0.0/8`; null for anything else. */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf("/");
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  const longest = address.kind() === "ipv4" ? 32 : 128;
  if (slash === -1) return [address, longest];
  const prefix = /^\d{1,3}$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : NaN;
  return prefix <= longest ? [address, prefix] : null;
}

/** Whether a network among the targets holds this address at this port. */
export function allowsAddress(
  targets: readonly NetworkTarget[],
  address: string,
  port: number,
): boolean {
  const parsed = parseAddress(address);
  return parsed !== null &&
    targets.some((target) =>
      "network" in target && allowsPort(target, port) && isWithin(parsed, target.network)
    );
}

export function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, network: Network): boolean {
  return address.kind() === network[0].kind() && address.match(network);
}

/** Whether a host of this name is among the targets, at this port; its subdomains are not. */
export function allowsHost(targets: readonly NetworkTarget[], host: string, port: number): boolean {
  return targets.some((target) =>
    "host" in target && allowsPort(target, port) && target.host === host
  );
}

/** Whether a name that is not among the targets may resolve to an address that is. */
export function allowsSomeNetwork(targets: readonly NetworkTarget[], port: number): boolean {
  return targets.some((target) => "network" in target && allowsPort(target, port));
}

function allowsPort(target: NetworkTarget, port: number): boolean {
  return target.port === null || target.port === port;
}
