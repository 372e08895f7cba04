/**
 * Which URLs a webhook may have (sections 6.2 and 12.8). Names are judged here; what they resolve
 * to is judged again at every delivery, see `webhook_request.ts`.
 */
import { isIP } from "node:net";
import { type AddressKind, kindOfAddress } from "./addresses.ts";
import { invalid, Refused } from "../errors.ts";

const LONGEST_URL = 2048;

/**
 * @param allowLocal whether `http://localhost` and the like may be reached: development
 * @throws Refused `invalid`, WEBHOOK_URL_REJECTED
 */
export function checkWebhookUrl(text: string, allowLocal: boolean): URL {
  if (text.length > LONGEST_URL) throw rejected(`it is longer than ${LONGEST_URL} characters`);
  let url: URL;
  try {
    // The parser turns every spelling of an IPv4 address, decimal, octal or short, into the one.
    url = new URL(text);
  } catch {
    throw rejected("it is no URL");
  }
  if (url.username !== "" || url.password !== "") throw rejected("it holds credentials");
  const host = hostOf(url);
  const local = isLocalName(host) || (isIP(host) > 0 && kindOfAddress(host) === "loopback");
  if (url.protocol === "http:") {
    if (!local) throw rejected("http is for localhost only; use https");
    if (!allowLocal) throw rejected("this server delivers to https only");
    return url;
  }
  if (url.protocol !== "https:") throw rejected("it is neither https nor http");
  if (local) throw rejected("its host is this machine");
  if (isIP(host) > 0 && kindOfAddress(host) !== "public") {
    throw rejected("its host is not a public address");
  }
  return url;
}

/** Whether a resolved address may be connected to for this URL. */
export function mayConnect(url: URL, kind: AddressKind): boolean {
  return url.protocol === "https:" ? kind === "public" : kind === "loopback";
}

/** The host without the brackets of IPv6 and the dot of a fully qualified name. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
}

function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function rejected(why: string): Refused {
  return new Refused(invalid("WEBHOOK_URL_REJECTED", `webhook.url is refused: ${why}`));
}
