/** What the tests of subscriptions share: a webhook receiver that does as told, and a small client. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { within } from "../system/support.ts";

export interface WakeStream {
  readonly path: string;
  readonly link_type: "explicit" | "glob";
  readonly acked_offset: string;
  readonly tail_offset: string;
  readonly has_pending: boolean;
}

/** The body of a webhook. */
export interface Wake {
  readonly subscription_id: string;
  readonly wake_id: string;
  readonly generation: number;
  readonly streams: readonly WakeStream[];
  readonly callback_url: string;
  readonly callback_token: string;
}

export interface Delivery {
  readonly wake: Wake;
  readonly rawBody: string;
  readonly signature: string;
  /** Milliseconds, of this process's clock. */
  readonly at: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What a receiver does with a delivery; nothing answers it but this. */
export type Reaction = (delivery: Delivery) => void;

export const accept: Reaction = ({ response }) => void response.end("{}");
export const done: Reaction = ({ response }) => void response.end('{"done":true}');
export const hang: Reaction = () => {};
export function answer(status: number, headers: Record<string, string> = {}): Reaction {
  return ({ response }) => void response.writeHead(status, headers).end("no");
}

/** An HTTP server on loopback that hands its deliveries out in order. */
export class Receiver {
  readonly url: string;
  /** Takes one from the front for each delivery; the last stays. */
  reactions: Reaction[];
  readonly deliveries: Delivery[] = [];
  readonly #waiting: ((delivery: Delivery) => void)[] = [];
  readonly #server;
  #handedOut = 0;

  private constructor(server: ReturnType<typeof createServer>, reactions: Reaction[]) {
    this.#server = server;
    this.reactions = reactions;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    server.on("request", (request, response) => void this.#receive(request, response));
  }

  static async open(...reactions: Reaction[]): Promise<Receiver> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Receiver(server, reactions);
  }

  /** The next delivery that no call has returned yet. */
  async next(ms = 8000): Promise<Delivery> {
    const ready = this.deliveries[this.#handedOut];
    this.#handedOut++;
    if (ready !== undefined) return ready;
    const coming = new Promise<Delivery>((resolve) => this.#waiting.push(resolve));
    return await within(ms, "a delivery", coming);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {}); // the server hung up on us, as some tests want
    let rawBody = "";
    for await (const chunk of request) rawBody += String(chunk);
    const delivery: Delivery = {
      wake: JSON.parse(rawBody) as Wake,
      rawBody,
      signature: String(request.headers["webhook-signature"]),
      at: performance.now(),
      request,
      response,
    };
    this.deliveries.push(delivery);
    this.#waiting.shift()?.(delivery);
    const reaction = this.reactions.length > 1 ? this.reactions.shift()! : this.reactions[0]!;
    reaction(delivery);
  }
}

export async function withReceiver<T>(
  reactions: Reaction[],
  use: (receiver: Receiver) => Promise<T>,
): Promise<T> {
  const receiver = await Receiver.open(...reactions);
  try {
    return await use(receiver);
  } finally {
    await receiver.close();
  }
}

export interface Answered {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- bodies of many shapes, each looked at by its test
  readonly body: any;
  readonly headers: Headers;
}

export async function send(
  method: string,
  url: string,
  body?: unknown,
  token?: string,
): Promise<Answered> {
  const response = await fetch(url, {
    method,
    headers: {
      "content-type": "application/json",
      ...token === undefined ? {} : { authorization: `Bearer ${token}` },
    },
    ...body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) },
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? null : JSON.parse(text),
    headers: response.headers,
  };
}

/** One subscription at one node. */
export class Subscription {
  readonly url: string;

  constructor(readonly node: string, readonly id: string = `sub-${crypto.randomUUID()}`) {
    this.url = `${node}/v1/stream/__ds/subscriptions/${encodeURIComponent(id)}`;
  }

  /** The same subscription at another node. */
  at(node: string): Subscription {
    return new Subscription(node, this.id);
  }

  put(configuration: Record<string, unknown>): Promise<Answered> {
    return send("PUT", this.url, configuration);
  }

  async create(configuration: Record<string, unknown>): Promise<Answered["body"]> {
    const answered = await this.put(configuration);
    assert.equal(answered.status, 201, JSON.stringify(answered.body));
    return answered.body;
  }

  async read(): Promise<Answered["body"]> {
    const answered = await send("GET", this.url);
    assert.equal(answered.status, 200, JSON.stringify(answered.body));
    return answered.body;
  }

  /** The acked offset of a link, or undefined. */
  async acked(path: string): Promise<string | undefined> {
    const { streams } = await this.read();
    return (streams as WakeStream[]).find((stream) => stream.path === path)?.acked_offset;
  }

  claim(worker = "worker"): Promise<Answered> {
    return send("POST", `${this.url}/claim`, { worker });
  }

  /** A claim that has to succeed. */
  async claimed(worker = "worker"): Promise<Claimed> {
    const answered = await this.claim(worker);
    assert.equal(answered.status, 200, JSON.stringify(answered.body));
    return answered.body as Claimed;
  }

  /** An ack of all that the wake holds, unless other acks are given. */
  ack(claim: Claimed, more: Record<string, unknown> = {}): Promise<Answered> {
    return send("POST", `${this.url}/ack`, wakeBody(claim, more), claim.token);
  }

  release(claim: Claimed): Promise<Answered> {
    const { wake_id, generation } = claim;
    return send("POST", `${this.url}/release`, { wake_id, generation }, claim.token);
  }

  callback(wake: Wake, more: Record<string, unknown> = {}): Promise<Answered> {
    return send("POST", `${this.url}/callback`, wakeBody(wake, more), wake.callback_token);
  }

  remove(): Promise<Answered> {
    return send("DELETE", this.url);
  }
}

export interface Claimed {
  readonly wake_id: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly WakeStream[];
  readonly lease_ttl_ms: number;
}

function wakeBody(wake: Wake | Claimed, more: Record<string, unknown>) {
  return {
    wake_id: wake.wake_id,
    generation: wake.generation,
    acks: acksOf(wake),
    done: true,
    ...more,
  };
}

/** Everything pending in a wake, as acks. */
export function acksOf(wake: { readonly streams: readonly WakeStream[] }) {
  return wake.streams.filter((stream) => stream.has_pending)
    .map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset }));
}

export function assertRefused(answered: Answered, status: number, code: string): void {
  assert.equal(answered.body?.error?.code, code, JSON.stringify(answered.body));
  assert.equal(answered.status, status);
  assert.equal(typeof answered.body.error.message, "string");
}

/** A JSON stream with these messages; its path. */
export async function stream(node: string, path: string, ...messages: unknown[]): Promise<string> {
  const answered = await fetch(`${node}/v1/stream/${path}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(messages),
  });
  assert.ok(answered.status === 201, `${answered.status} ${await answered.text()}`);
  return path;
}

/** Appends to a JSON stream; the offset after it. */
export async function appendTo(node: string, path: string, message: unknown): Promise<string> {
  const answered = await fetch(`${node}/v1/stream/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify([message]),
  });
  assert.equal(answered.status, 204, await answered.text());
  return answered.headers.get("stream-next-offset")!;
}

export interface WakeEvent {
  readonly type: "wake";
  readonly subscription_id: string;
  readonly stream: string;
  readonly generation: number;
  readonly ts: number;
}

/** Follows a wake stream by long-poll and hands its events out in order. */
export class WakeReader {
  #offset = "-1";
  readonly #events: WakeEvent[] = [];

  constructor(readonly url: string) {}

  async next(ms = 8000): Promise<WakeEvent> {
    const deadline = performance.now() + ms;
    while (this.#events.length === 0) {
      assert.ok(performance.now() < deadline, "no wake event came");
      const response = await fetch(`${this.url}?live=long-poll&offset=${this.#offset}`);
      const text = await response.text();
      assert.ok(response.ok, text);
      this.#offset = response.headers.get("stream-next-offset")!;
      if (response.status === 200) this.#events.push(...JSON.parse(text) as WakeEvent[]);
    }
    return this.#events.shift()!;
  }

  /** Every event of the stream from its start. */
  async all(): Promise<WakeEvent[]> {
    const response = await fetch(this.url);
    return await response.json() as WakeEvent[];
  }
}

/** A path nobody else has. */
export function unique(prefix: string): string {
  return `${prefix}-${crypto.randomUUID().slice(0, 8)}`;
}
