/** What scenarios need to exist before they measure: streams, and bytes in them. */
import { type Answer, headerOf, HttpConnection, requestBytes } from "./http_connection.ts";

export const BINARY = { "Content-Type": "application/octet-stream" };
export const TEXT = { "Content-Type": "text/plain" };

export function streamPath(name: string): string {
  return `/v1/stream/${name}`;
}

/** A name nobody has used, in this run or on a server that was measured before. */
export function freshName(prefix: string): string {
  return `bench-${prefix}-${crypto.randomUUID().slice(0, 13)}`;
}

/** Creates a stream, and returns its path. */
export async function createStream(
  url: string,
  options: { prefix: string; headers?: Record<string, string>; bytes?: number },
): Promise<string> {
  const path = streamPath(freshName(options.prefix));
  const headers = options.headers ?? BINARY;
  await exchange(url, [{ method: "PUT", path, headers, bytes: options.bytes ?? 0 }], 1);
  return path;
}

/** Creates `count` streams; returns the pattern of their paths, `{n}` from 0. */
export async function createStreams(
  url: string,
  { prefix, count, headers = BINARY }: {
    prefix: string;
    count: number;
    headers?: Record<string, string>;
  },
): Promise<string> {
  const pattern = streamPath(`${freshName(prefix)}-{n}`);
  const requests = function* () {
    for (let n = 0; n < count; n++) {
      yield { method: "PUT", path: pattern.replace("{n}", String(n)), headers, bytes: 0 };
    }
  };
  await exchange(url, requests(), 32);
  return pattern;
}

/** Appends `bytes` to a stream, a mebibyte at a time. */
export async function fillStream(url: string, path: string, bytes: number): Promise<void> {
  const requests = function* () {
    for (let left = bytes; left > 0; left -= 2 ** 20) {
      yield { method: "POST", path, headers: BINARY, bytes: Math.min(left, 2 ** 20) };
    }
  };
  await exchange(url, requests(), 4);
}

/** Closes a stream for good. */
export async function closeStream(url: string, path: string): Promise<void> {
  const headers = { ...BINARY, "Stream-Closed": "true" };
  await exchange(url, [{ method: "POST", path, headers, bytes: 0 }], 1);
}

/** The ETag of a GET. */
export async function etagOf(url: string, path: string): Promise<string> {
  const answer = await getOnce(url, path);
  const etag = headerOf(answer, "etag");
  if (etag === null) throw new Error(`GET ${path}: ${answer.status} without an ETag`);
  return etag;
}

/** How many bytes a GET is answered with. */
export async function pageBytes(url: string, path: string): Promise<number> {
  const { status, bodyBytes } = await getOnce(url, path);
  if (status !== 200) throw new Error(`GET ${path}: ${status}`);
  return bodyBytes;
}

async function getOnce(url: string, path: string): Promise<Answer> {
  const connection = await HttpConnection.open(url);
  try {
    await connection.send(requestBytes({ method: "GET", path, host: new URL(url).host }));
    return await connection.receive();
  } finally {
    connection.close();
  }
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly bytes: number;
}

async function exchange(
  url: string,
  requests: Iterable<Request>,
  connections: number,
): Promise<void> {
  const { host } = new URL(url);
  const pending = requests[Symbol.iterator]();
  let body = new Uint8Array(0);
  const work = async () => {
    const connection = await HttpConnection.open(url);
    try {
      for (let next = pending.next(); next.done !== true; next = pending.next()) {
        const { bytes, ...request } = next.value;
        if (body.length < bytes) body = new Uint8Array(bytes).fill(120);
        const sent = requestBytes({ ...request, host, body: body.subarray(0, bytes) });
        await connection.send(sent);
        const { status } = await connection.receive();
        if (status > 299) throw new Error(`${request.method} ${request.path}: ${status}`);
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
}
