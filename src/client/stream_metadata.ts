/** What HEAD says of a stream (protocol section 5.5). */
import type { Connection } from "./connection.ts";
import { ClientError, EXIT } from "./exit_codes.ts";

export interface StreamMetadata {
  readonly contentType: string;
  readonly nextOffset: string | null;
  readonly closed: boolean;
  readonly ttlSeconds: number | null;
  /** RFC 3339. */
  readonly expiresAt: string | null;
  /** Where what is left begins, if the beginning was dropped; of servers that know this. */
  readonly earliestOffset: string | null;
  /** `age=604800, bytes=10737418240`. */
  readonly retention: string | null;
}

export async function inspect(connection: Connection, url: URL): Promise<StreamMetadata> {
  const { headers } = await connection.send({ method: "HEAD", url });
  const ttl = headers.get("stream-ttl");
  return {
    contentType: headers.get("content-type") ?? "application/octet-stream",
    nextOffset: headers.get("stream-next-offset"),
    closed: headers.get("stream-closed")?.toLowerCase() === "true",
    ttlSeconds: ttl === null ? null : Number(ttl),
    expiresAt: headers.get("stream-expires-at"),
    earliestOffset: headers.get("stream-earliest-offset"),
    retention: headers.get("stream-retention"),
  };
}

/** The content type of a stream that is to be appended to. */
export async function appendableType(connection: Connection, url: URL): Promise<string> {
  const { closed, contentType } = await inspect(connection, url);
  if (!closed) return contentType;
  throw new ClientError(EXIT.conflict, `${decodeURIComponent(url.pathname)}: the stream is closed`);
}

export function isJson(contentType: string): boolean {
  return contentType.split(";", 1)[0]!.trim().toLowerCase() === "application/json";
}
