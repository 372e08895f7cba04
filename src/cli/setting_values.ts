/** The values of settings: what each may be, and which words refuse the rest. */
import { isIPv4 } from "node:net";
import { parseBytes, parseSeconds } from "../lib/quantities.ts";
import { parsePostgresUrl } from "../storage/postgres/url.ts";

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

export function parseHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  if (!/^[A-Za-z0-9.:_-]+$/.test(host)) throw new Error(`"${text}" is not an address`);
  return host;
}

export function parseInteger(text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`"${text}" is not a whole number from ${least} to ${most}`);
}

export function parseDatabaseUrl(text: string): string | null {
  if (text === "") return null;
  parsePostgresUrl(text);
  return text;
}

export function parseDataDir(text: string): string | null {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw new Error("that is a URL and no folder: a PostgreSQL is named by --database-url");
  }
  return text === "" ? null : text;
}

export function parsePublicUrl(text: string): string | null {
  if (text === "") return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error(`"${text}" is not a URL; expected https://host`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new Error(`a ${url.protocol} URL; expected https://host`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw new Error("streams are at /v1/stream/: give the URL without path, query or user");
  }
  return url.origin;
}

/** Items with commas between. */
export function listOf(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

export function parseAllowedHost(text: string): string {
  if (text === "*" || /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/.test(text)) return text;
  throw new Error(`"${text}" is not a host name without a port`);
}

export function parseOrigin(text: string): string {
  if (text === "*") return text;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && url.origin !== "null" && url.origin === text.replace(/\/$/, "")) {
    return url.origin;
  }
  throw new Error(`"${text}" is not an origin; expected https://host or https://host:port`);
}

/** `500ms`, `30s`, `2m`; a bare number is seconds. Returns milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? "s"]!;
  const milliseconds = match === null ? NaN : Math.round(Number(match[1]) * unit);
  if (milliseconds >= 1 && milliseconds <= 3_600_000) return milliseconds;
  throw new Error(`"${text}" is not a time from 1ms to 60m, such as 500ms, 30s or 2m`);
}

/** `90s`, `12h`, `30d`; a bare number is seconds. Returns milliseconds; null for nothing. */
export function parseAge(text: string): number | null {
  if (text === "") return null;
  const seconds = parseSeconds(text) ?? NaN;
  if (seconds >= 1 && seconds <= 3650 * 86_400) return seconds * 1000;
  throw new Error(`"${text}" is not an age from 1s to 3650d, such as 12h or 30d`);
}

/** `1048576`, `512KiB`, `16MiB`, `2GiB`. Returns bytes. */
export function parseSize(text: string, most: number): number {
  const bytes = parseBytes(text) ?? NaN;
  if (bytes >= 1 && bytes <= most) return bytes;
  const largest = `${most / 2 ** 20}MiB`;
  throw new Error(`"${text}" is not a size from 1 byte to ${largest}, such as 65536 or 16MiB`);
}

export function oneOf<const T extends string>(text: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(text)) return text as T;
  throw new Error(`"${text}" is none of ${allowed.join(", ")}`);
}
