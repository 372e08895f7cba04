/** What the system tests share: servers for a whole file, bounded waits, and what every answer owes. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freshDatabase } from "../support/postgres.ts";
import { type ServerSentEvent, serverSentEvents } from "../support/http.ts";
import { type RunningServer, type ServerOptions, startServer } from "../support/server.ts";
import { elapse, eventually, within } from "../support/waits.ts";

export { elapse, eventually, within };

/** The two ways to store: both kinds of test databases have a `database` for `startServer`. */
export const KINDS = ["postgres", "embedded"] as const;
export type Kind = typeof KINDS[number];

export interface Storage {
  readonly database: { url: string } | { dataDir: string };
  remove(): Promise<void>;
}

export async function freshStorage(kind: Kind): Promise<Storage> {
  if (kind === "postgres") {
    const database = await freshDatabase();
    return { database: { url: database.url }, remove: () => database.drop() };
  }
  const folder = mkdtempSync(join(tmpdir(), "penstock-system-"));
  return {
    database: { dataDir: join(folder, "data") },
    remove: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  };
}

export interface FileServer {
  /** The server; only while tests run. */
  readonly server: RunningServer;
  readonly url: string;
  readonly port: number;
  /** Of the Postgres database; throws when embedded. */
  readonly databaseUrl: string;
}

/** One server for all tests of the file that calls this, while it is being loaded. */
export function serverForThisFile(
  kind: Kind = "postgres",
  options: Omit<ServerOptions, "database"> = {},
): FileServer {
  let storage: Storage | undefined;
  let running: RunningServer | undefined;
  const server = () => {
    assert.ok(running, "the file's server runs only while its tests do");
    return running;
  };
  Deno.test.beforeAll(async () => {
    storage = await freshStorage(kind);
    running = await startServer({ ...options, database: storage.database });
  });
  Deno.test.afterAll(async () => {
    await running?.kill();
    await storage?.remove();
  });
  return {
    get server() {
      return server();
    },
    get url() {
      return server().url;
    },
    get port() {
      return Number(new URL(server().url).port);
    },
    get databaseUrl() {
      assert.ok(storage !== undefined && "url" in storage.database);
      return storage.database.url;
    },
  };
}

/** A port that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address!.port : 0));
    });
  });
}

interface HeaderReader {
  get(name: string): string | null | undefined;
}

/** Section 12.7: on every answer, errors included. */
export function assertCommonHeaders(headers: HeaderReader): void {
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("cross-origin-resource-policy"), "same-site");
  assert.match(headers.get("vary") ?? "", /origin/i);
  assert.equal(headers.get("access-control-allow-origin") ?? null, null);
}

/** `{"error":{"code","message"}}` and nothing else: what every 4xx and 5xx answers. */
export function assertErrorBody(headers: HeaderReader, text: string): string {
  assert.equal(headers.get("content-type"), "application/json", text);
  assert.equal(headers.get("cache-control"), "no-store");
  const body = JSON.parse(text) as { error: { code: string; message: string } };
  assert.deepEqual(Object.keys(body), ["error"]);
  assert.deepEqual(Object.keys(body.error), ["code", "message"]);
  // Section 7 has its codes in capitals.
  assert.match(body.error.code, /^([a-z][a-z_]+|[A-Z][A-Z_]+)$/);
  assert.ok(body.error.message.length > 0);
  assertCommonHeaders(headers);
  return body.error.code;
}

/** An error as all errors are; returns its code. */
export async function expectError(response: Response, status: number): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return assertErrorBody(response.headers, text);
}

/** A success as all successes are; returns its text. */
export async function expectStatus(response: Response, status: number): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, status, text.slice(0, 500));
  assertCommonHeaders(response.headers);
  return text;
}

/** The Stream-Next-Offset of an answer that must have one. */
export function nextOffset(response: Response): string {
  const offset = response.headers.get("stream-next-offset");
  assert.match(offset ?? "", /^[0-9]{16}_[0-9]{16}$/);
  return offset!;
}

/** Equal bytes, without a diff of megabytes when they are not. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what = "bytes"): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  const at = expected.findIndex((byte, index) => byte !== actual[index]);
  assert.equal(at, -1, `${what}: the first difference is at ${at}`);
}

/** Bytes that no pattern in the server could make by chance, the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** Starts another node, stopped (-9) however the test ends. */
export async function withServer<T>(
  options: ServerOptions,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const server = await startServer(options);
  try {
    return await use(server);
  } finally {
    await server.kill();
  }
}

/** A database of its own for one test, removed however it ends. */
export async function withStorage<T>(
  kind: Kind,
  use: (database: Storage["database"]) => Promise<T>,
): Promise<T> {
  const storage = await freshStorage(kind);
  try {
    return await use(storage.database);
  } finally {
    await storage.remove();
  }
}

export interface Produced {
  readonly id: string;
  readonly epoch: number | string;
  readonly seq: number | string;
}

/** One append of an idempotent producer, as it comes. */
export function produce(
  url: string,
  { id, epoch, seq }: Produced,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "text/plain",
      "producer-id": id,
      "producer-epoch": String(epoch),
      "producer-seq": String(seq),
      ...headers,
    },
    body,
    signal: AbortSignal.timeout(20_000),
  });
}

/** Events of one SSE connection, each waited for no longer than `ms`. */
export class Events {
  readonly response: Response;
  readonly #events: AsyncGenerator<ServerSentEvent>;

  private constructor(response: Response) {
    this.response = response;
    this.#events = serverSentEvents(response);
  }

  static async open(url: string, offset: string, more = ""): Promise<Events> {
    const response = await fetch(`${url}?live=sse&offset=${offset}${more}`);
    if (response.status !== 200) await expectStatus(response, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    return new Events(response);
  }

  /** The next event, or undefined when the server has ended the connection. */
  async next(ms = 5000): Promise<ServerSentEvent | undefined> {
    const { value, done } = await within(ms, "an SSE event", this.#events.next());
    return done === true ? undefined : value;
  }

  async data(ms = 5000): Promise<string> {
    const event = await this.next(ms);
    assert.equal(event?.event, "data");
    return event!.data;
  }

  async control(ms = 5000): Promise<Control> {
    const event = await this.next(ms);
    assert.equal(event?.event, "control");
    const control = JSON.parse(event!.data) as Control;
    assert.match(control.streamNextOffset, /^[0-9]{16}_[0-9]{16}$/);
    if (control.streamClosed !== true) assert.match(control.streamCursor ?? "", /^[0-9]+$/);
    return control;
  }

  /** The text of data events until the control event that says we are at `offset`. */
  async textUntil(offset: string, ms = 5000): Promise<string> {
    for (let text = "";;) {
      const event = await this.next(ms);
      assert.ok(event, "the connection ended");
      if (event.event === "data") text += event.data;
      else if ((JSON.parse(event.data) as Control).streamNextOffset >= offset) return text;
    }
  }

  async close(): Promise<void> {
    await this.#events.return(undefined);
    // A generator that was never asked for anything has nothing to clean up.
    if (this.response.body?.locked === false) await this.response.body.cancel();
  }
}

export interface Control {
  readonly streamNextOffset: string;
  readonly streamCursor?: string;
  readonly upToDate?: boolean;
  readonly streamClosed?: boolean;
}
