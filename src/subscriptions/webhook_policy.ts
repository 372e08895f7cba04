/**
 * Which URLs a webhook may have, and which addresses it may reach (sections 6.2 and 12.8): https to the
 * internet, and beyond it what the operator names. Names are judged when a subscription is created;
 * what they resolve to is judged at every delivery, see `webhook_request.ts`.
 */
import { isIP } from "node:net";
import { invalid, Refused } from "../errors.ts";
import { kindOfAddress } from "../lib/addresses.ts";
import {
  allowsAddress,
  allowsHost,
  allowsSomeNetwork,
  type NetworkTarget,
} from "../lib/network_targets.ts";

const LONGEST_URL = 2048;

export class WebhookPolicy {
  readonly #allowed: readonly NetworkTarget[];

  constructor(allowed: readonly NetworkTarget[]) {
    this.#allowed = allowed;
  }

  /**
   * The URL, unless it can be known without resolving its host that it will not be delivered to.
   * @throws Refused `invalid`, WEBHOOK_URL_REJECTED; the message names the host and nothing else of it
   */
  check(text: string): URL {
    if (text.length > LONGEST_URL) throw rejected(`it is longer than ${LONGEST_URL} characters`);
    let url: URL;
    try {
      // The parser turns every spelling of an IPv4 address, decimal, octal or short, into the one.
      url = new URL(text);
    } catch {
      throw rejected("it is no URL");
    }
    if (url.username !== "" || url.password !== "") throw rejected("it holds credentials");
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      throw rejected("it is neither https nor http");
    }
    const reason = isIP(hostOf(url)) > 0
      ? this.refuseAddress(url, hostOf(url))
      : this.#refuseName(url);
    if (reason !== null) throw rejected(reason);
    return url;
  }

  /** Why this URL may not be delivered to at an address that its host is or resolves to, or null. */
  refuseAddress(url: URL, address: string): string | null {
    const kind = kindOfAddress(address);
    if (kind === "forbidden") return `webhooks never reach the address ${address}`;
    if (kind === "public" && url.protocol === "https:") return null;
    const port = portOf(url);
    const allowed = allowsHost(this.#allowed, hostOf(url), port) ||
      allowsAddress(this.#allowed, address, port);
    if (allowed) return null;
    return kind === "public"
      ? `http is not allowed to ${url.host}: use https, or --webhook-allow`
      : `${address} is not an address of the internet, and --webhook-allow does not name it`;
  }

  /** What a name that is not allowed as such resolves to is not known yet. */
  #refuseName(url: URL): string | null {
    const [host, port] = [hostOf(url), portOf(url)];
    if (allowsHost(this.#allowed, host, port) || allowsSomeNetwork(this.#allowed, port)) {
      return null;
    }
    if (host === "localhost" || host.endsWith(".localhost")) {
      return "its host is this machine, and --webhook-allow does not name it";
    }
    return url.protocol === "https:" ? null : "http needs a host that --webhook-allow names";
  }
}

/** The host without the brackets of IPv6 and the dot of a fully qualified name. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
}

export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

function rejected(why: string): Refused {
  return new Refused(invalid("WEBHOOK_URL_REJECTED", `webhook.url is refused: ${why}`));
}
