/**
 * A client that follows a stream to its end, by long-poll and by SSE in turn, on random nodes,
 * and always goes on from the last offset it was given.
 */
import type { Client } from "./client.ts";
import type { HttpStream } from "./http.ts";
import type { Read } from "./history.ts";
import { piecesOf } from "./pieces.ts";
import type { Random } from "./random.ts";
import { isJson, type StreamName } from "./stream_name.ts";

/** A connection idle for this long may be half-open, which a client cannot tell. */
const SILENCE_MS = 5000;
const PAUSE_MS = 100;

interface Control {
  readonly streamNextOffset: string;
  readonly upToDate?: boolean;
  readonly streamClosed?: boolean;
}

export class Follower {
  position: number;
  /** Whether it has learned that the stream is closed or deleted. */
  ended = false;
  /** Called with each piece that was read. */
  onRead: (read: Read) => void = () => {};
  readonly #client: Client;
  readonly #stream: StreamName;
  readonly #random: Random;
  #enough: () => boolean = () => false;
  #connection: HttpStream | null = null;

  constructor(client: Client, stream: StreamName, start: number, random: Random) {
    this.#client = client;
    this.#stream = stream;
    this.position = start;
    this.#random = random;
  }

  get name(): string {
    return this.#client.name;
  }

  /** Follows until the end of the stream, or until it is enough. */
  async run(enough: () => boolean): Promise<void> {
    this.#enough = enough;
    while (!this.ended && !enough()) {
      const node = this.#random.between(0, this.#client.nodes - 1);
      const pleased = this.#random.chance(0.5)
        ? await this.#longPoll(node)
        : await this.sse(node, this.#random.between(500, 15_000));
      if (!pleased) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Ends the current connection, so that it checks at once whether it is enough. */
  interrupt(): void {
    this.#connection?.close();
  }

  /** A few of them, on one node. Returns whether the last one was answered. */
  async #longPoll(node: number): Promise<boolean> {
    for (let left = this.#random.between(1, 20); left > 0 && !this.#enough(); left--) {
      const pieces = await this.#client.read(node, this.#stream, {
        start: this.position,
        mode: "long-poll",
        follower: this.name,
      });
      const read = pieces.at(-1)!;
      if (this.#restartsAt(read.earliest)) continue;
      if (read.outcome === "refused") this.ended = true;
      if (read.outcome !== "ok" || read.end === null) return false;
      this.position = read.end;
      this.ended = read.closed;
      if (read.closed) break;
    }
    return true;
  }

  /** One connection, for so many milliseconds at most. Returns whether it was one. */
  async sse(node: number, lifetime: number): Promise<boolean> {
    const opened = this.#client.history.now();
    const query = `?offset=${
      this.#client.history.offsets.tokenOf(this.#stream, this.position)
    }&live=sse`;
    const timers: ReturnType<typeof setTimeout>[] = [];
    let response: HttpStream | undefined;
    try {
      response = await this.#client.open(node, this.#stream, query);
      this.#connection = response;
      timers.push(setTimeout(response.close, lifetime));
      const silence = () => {
        clearTimeout(timers[1]);
        timers[1] = setTimeout(response!.close, SILENCE_MS);
      };
      silence();
      if (response.status !== 200) {
        this.#record(node, opened, null, new Uint8Array(0), response);
        const token = response.headers.get("stream-earliest-offset");
        const earliest = this.#client.history.offsets.positionIn(this.#stream, token);
        if (this.#restartsAt(earliest ?? undefined)) return true;
        if (response.status === 404 || response.status === 410) this.ended = true;
        return false;
      }
      let data: Uint8Array = new Uint8Array(0);
      for await (const event of eventsIn(response)) {
        silence();
        if (event.type === "data") data = joined(data, this.#bytesOf(event.data));
        if (event.type !== "control") continue;
        const control = JSON.parse(event.data) as Control;
        this.#record(node, opened, control, data, response);
        data = new Uint8Array(0);
        if (control.streamClosed === true) this.ended = true;
        if (this.ended || this.#enough()) break;
      }
      return true;
    } catch {
      return response !== undefined;
    } finally {
      timers.forEach(clearTimeout);
      response?.close();
      this.#connection = null;
    }
  }

  /** What comes next was dropped: it goes on where the stream begins, and says so by its record. */
  #restartsAt(earliest: number | undefined): boolean {
    if (earliest === undefined || earliest <= this.position) return false;
    this.position = earliest;
    return true;
  }

  #record(
    node: number,
    opened: number,
    control: Control | null,
    data: Uint8Array,
    response: HttpStream,
  ): void {
    const { history } = this.#client;
    const end = history.offsets.positionIn(this.#stream, control?.streamNextOffset);
    const ok = response.status === 200;
    const token = response.headers.get("stream-earliest-offset");
    const earliest = history.offsets.positionIn(this.#stream, token);
    const refused = response.status < 500 && response.status !== 429;
    const common = {
      client: this.name,
      follower: this.name,
      node,
      path: this.#stream.path,
      invoked: opened,
      completed: history.now(),
      outcome: ok ? "ok" : refused ? "refused" : "unknown",
      status: response.status,
      reason: ok ? null : earliest === null ? String(response.status) : "OFFSET_TRIMMED",
      retryAfter: response.headers.has("retry-after"),
    } as const;
    const range = {
      start: this.position,
      end,
      upToDate: control?.upToDate === true,
      closed: control?.streamClosed === true,
    };
    for (const piece of piecesOf(this.#stream, range, data)) {
      this.onRead(history.add({
        ...{ ...common, kind: "read", mode: "sse", ...piece },
        ...earliest === null ? {} : { earliest },
      }) as Read);
    }
    if (end !== null) this.position = end;
  }

  #bytesOf(data: string): Uint8Array {
    const textual = isJson(this.#stream) || this.#stream.contentType.startsWith("text/");
    return textual ? new TextEncoder().encode(data) : Uint8Array.fromBase64(data);
  }
}

interface ServerSentEvent {
  readonly type: string;
  readonly data: string;
}

async function* eventsIn(response: HttpStream): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.chunks()) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      yield eventOf(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

function eventOf(text: string): ServerSentEvent {
  let type = "message";
  const data: string[] = [];
  for (const line of text.split("\n")) {
    const value = line.slice(line.indexOf(":") + 1).replace(/^ /, "");
    if (line.startsWith("event:")) type = value;
    if (line.startsWith("data:")) data.push(value);
  }
  return { type, data: data.join("\n") };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
