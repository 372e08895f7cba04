/**
 * Connection strings of PostgreSQL, several hosts included: `postgres://user@h1:5432,h2:5432/db`.
 */
import process from "node:process";

export interface PostgresHost {
  /** A name, an address without brackets, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface PostgresUrl {
  readonly hosts: readonly PostgresHost[];
  /** The URL for postgres.js: with one host, and without the parameters that Penstock handles. */
  readonly driverUrl: string;
  /** For people, without user and password: `h1:5432,h2:5432/db`. */
  readonly place: string;
}

const SHAPE = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const EXPECTED = "expected postgres://user:password@host:5432/database";

/**
 * @throws Error, whose message repeats nothing of the URL, because that may hold a password
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1];
  if (scheme !== undefined && !/^postgres(ql)?$/.test(scheme)) {
    throw new Error(`a ${scheme}: URL; expected postgres://…`);
  }
  const parts = SHAPE.exec(text);
  if (parts === null) throw new Error(`not a URL; ${EXPECTED}`);
  const [, start = "", user, authority = "", path = "", search = ""] = parts;
  const named = authority.split(",");
  const hosts = named.map(parseHost);
  const query = new URLSearchParams(search);
  requireWritable(query.get("target_session_attrs"));
  query.delete("target_session_attrs");
  // An acknowledged append has to be on the disk, so a weaker setting in the URL is dropped: see
  // the checks at the start.
  if (/^(off|local|false|no|0)$/.test(query.get("synchronous_commit") ?? "")) {
    query.delete("synchronous_commit");
  }
  const rest = query.size === 0 ? "" : `?${query}`;
  const driverUrl = `${start}${user === undefined ? "" : `${user}@`}${named[0]}${path}${rest}`;
  if (!URL.canParse(driverUrl)) throw new Error(`not a URL; ${EXPECTED}`);
  const place = hosts.map(({ host, port }) => `${host}:${port}`).join(",") + path;
  return { hosts, driverUrl, place };
}

function parseHost(text: string): PostgresHost {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text);
  if (parts === null || Number(parts[3] ?? 5432) > 65535) throw new Error(`not a URL; ${EXPECTED}`);
  const host = parts[1] ?? decodeURIComponent(parts[2] ?? "");
  return { host: host || process.env.PGHOST || "localhost", port: Number(parts[3] ?? 5432) };
}

/** Refuses targets other than the primary, which strict reads need. */
function requireWritable(target: string | null): void {
  if (target === null || ["any", "read-write", "primary"].includes(target)) return;
  throw new Error("target_session_attrs must be read-write: streams are kept on the primary");
}
