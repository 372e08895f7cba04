/** Checks of the machine that a node would run on: its port, file limit, disk and TLS files. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { CertificateFiles } from "../../lib/certificate.ts";
import { claimPort } from "../listening_port.ts";
import { failure, type Finding, ok, warning } from "./findings.ts";

const GIB = 2 ** 30;
/** Below this PostgreSQL is about to stop. */
const LEAST_DISK_BYTES = 64 << 20;
const LOW_DISK_BYTES = GIB;
/** What a node needs besides its followers: the runtime's own files, the database, listeners. */
const OTHER_FILES = 100;
const DAY_MS = 86_400_000;
/** A certificate that ends within this time is worth a warning. */
const SOON_DAYS = 14;

/** @param flags what names another address */
export async function checkPort(
  { host, port, flags }: {
    readonly host: string;
    readonly port: number;
    readonly flags: string;
  },
): Promise<Finding> {
  if (port === 0) return ok("port", `${host}, on a free port`);
  try {
    await claimPort(host, port);
    return ok("port", `${host} port ${port} is free`);
  } catch (error) {
    const fix = `stop what listens there (a Penstock that runs already?), or name another ${flags}`;
    return failure("port", (error as Error).message, fix);
  }
}

/** How many files and sockets this process may have open, which a node started like it may too. */
export function checkFileLimit(needs: { maxFollowers: number; connections: number }): Finding {
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return ok("files", "this system does not tell how many files may be open");
  }
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  const others = OTHER_FILES + needs.connections;
  const fix = "raise it: LimitNOFILE= in a systemd unit, ulimit -n in a shell";
  if (limit < 2 * others) {
    return failure("files", `${limit} files may be open: a node alone needs ${others}`, fix);
  }
  const followers = limit - others;
  if (followers < needs.maxFollowers) {
    return warning(
      "files",
      `${limit} files may be open: about ${followers} connections fit, and --max-followers is ` +
        `${needs.maxFollowers}`,
      `${fix}; or lower --max-followers`,
    );
  }
  return ok("files", limit === Infinity ? "no limit" : `${limit} files may be open`);
}

/** @param folder need not exist yet: then it is about the folder that it would be made in */
export function checkDisk(folder: string): Finding {
  let place = resolve(folder);
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  let stat;
  try {
    stat = statfsSync(place);
  } catch (error) {
    return warning(
      "disk",
      `the free space of ${place} cannot be asked for: ${(error as Error).message}`,
      "run the check as the account that runs the server",
    );
  }
  const free = stat.bavail * stat.bsize;
  const message = `${inUnits(free)} are free for ${folder}`;
  const fix = "make room, or move the database to a larger disk: a full disk stops every append";
  if (free < LEAST_DISK_BYTES) return failure("disk", `only ${message}`, fix);
  if (free < LOW_DISK_BYTES) return warning("disk", `only ${message}`, fix);
  return ok("disk", message);
}

function inUnits(bytes: number): string {
  return bytes < GIB ? `${Math.floor(bytes / (1 << 20))} MiB` : `${(bytes / GIB).toFixed(1)} GiB`;
}

/** @param nowMs as `Date.now()` */
export function checkTlsFiles(
  { certFile, keyFile }: CertificateFiles,
  nowMs: number,
): Finding {
  const fix =
    "give --tls-cert a PEM file with the certificate first, then its chain, and --tls-key " +
    "the PEM file of its private key, both readable by the server's account";
  let parsed: X509Certificate;
  let matches: boolean;
  try {
    parsed = new X509Certificate(readFileSync(certFile));
  } catch (error) {
    return failure("tls", `${certFile} is no certificate: ${(error as Error).message}`, fix);
  }
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
  } catch (error) {
    return failure("tls", `${keyFile} is no private key: ${(error as Error).message}`, fix);
  }
  if (!matches) {
    return failure(
      "tls",
      `the key in ${keyFile} is not that of the certificate in ${certFile}`,
      fix,
    );
  }
  const days = Math.floor((Date.parse(parsed.validTo) - nowMs) / DAY_MS);
  const renew = "renew the certificate";
  if (days < 0) return failure("tls", `the certificate ended on ${parsed.validTo}`, renew);
  if (Date.parse(parsed.validFrom) > nowMs) {
    return failure(
      "tls",
      `the certificate begins on ${parsed.validFrom}`,
      "set this machine's clock, or wait",
    );
  }
  const names = (parsed.subjectAltName ?? parsed.subject).replaceAll("DNS:", "");
  if (days < SOON_DAYS) {
    return warning("tls", `the certificate of ${names} ends in ${days} d`, renew);
  }
  return ok("tls", `the certificate of ${names} ends in ${days} d, and the key is its own`);
}
