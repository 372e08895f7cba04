/** One client: sends one request at a time and writes down what it did and what came of it. */
import type { Append, Create, Delete, Fork, Head, HistoryRecorder, Trim } from "./history.ts";
import type { Outcome, Producer, Read } from "./history.ts";
import { HttpClient, type HttpRequest, type HttpStream } from "./http.ts";
import { piecesOf } from "./pieces.ts";
import { bodyOf, type RecordShape } from "./records.ts";
import { isJson, type StreamName } from "./stream_name.ts";

/** Longer than any answer may take: two statements that run into their bound. */
const LIMIT_MS = 8000;
/** Statuses after which a write may still have taken place. */
const OPEN = [429, 503];

export interface CreateOptions {
  readonly record?: RecordShape;
  readonly ttlSeconds?: number;
  readonly retentionBytes?: number;
  readonly fork?: Fork;
}

export interface AppendOptions {
  readonly record: RecordShape | null;
  readonly producer?: Producer;
  readonly streamSeq?: string;
  readonly closes?: boolean;
}

export interface ReadOptions {
  readonly start: number;
  readonly mode?: "catch-up" | "long-poll";
  readonly follower?: string;
}

interface Answer {
  readonly status: number | null;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly reason: string | null;
}

export class Client {
  readonly #http: readonly HttpClient[];

  /** @param ports of the nodes, on this machine */
  constructor(readonly name: string, ports: readonly number[], readonly history: HistoryRecorder) {
    this.#http = ports.map((port) => new HttpClient(port));
  }

  get nodes(): number {
    return this.#http.length;
  }

  /** A connection to this node of its own, for an answer that goes on. */
  open(node: number, stream: StreamName, query: string): Promise<HttpStream> {
    return this.#http[node]!.open({ method: "GET", target: targetOf(stream) + query }, LIMIT_MS);
  }

  async create(node: number, stream: StreamName, options: CreateOptions = {}): Promise<Create> {
    const { record, ttlSeconds, retentionBytes, fork } = options;
    const headers: Record<string, string> = { "content-type": stream.contentType };
    if (ttlSeconds !== undefined) headers["stream-ttl"] = String(ttlSeconds);
    if (retentionBytes !== undefined) headers["stream-retention"] = `bytes=${retentionBytes}`;
    if (fork !== undefined) {
      headers["stream-forked-from"] = `/v1/stream/${fork.source}`;
      headers["stream-fork-offset"] = this.history.offsets.addFork(stream, fork);
      if (fork.by !== undefined) headers["stream-fork-sub-offset"] = String(fork.by.subOffset);
    }
    const body = record === undefined ? null : bodyOf(record, isJson(stream));
    const { answer, common } = await this.#ask(node, stream, { method: "PUT", headers, body });
    return this.history.add({
      ...common,
      kind: "create",
      incarnation: stream.incarnation,
      json: isJson(stream),
      record: record?.id ?? null,
      ttlMs: ttlSeconds === undefined ? null : ttlSeconds * 1000,
      ...retentionBytes === undefined ? {} : { retentionBytes },
      fork: fork ?? null,
      tail: this.#offsetIn(stream, answer),
    }) as Create;
  }

  async append(node: number, stream: StreamName, options: AppendOptions): Promise<Append> {
    const { record, producer, streamSeq, closes = false } = options;
    const headers: Record<string, string> = {};
    if (record !== null) headers["content-type"] = stream.contentType;
    if (closes) headers["stream-closed"] = "true";
    if (producer !== undefined) {
      headers["producer-id"] = producer.id;
      headers["producer-epoch"] = String(producer.epoch);
      headers["producer-seq"] = String(producer.seq);
    }
    if (streamSeq !== undefined) headers["stream-seq"] = streamSeq;
    const body = record === null ? null : bodyOf(record, isJson(stream));
    const { answer, common } = await this.#ask(node, stream, { method: "POST", headers, body });
    // Closing adds no data, and is answered 204 the first time too.
    const duplicate = producer !== undefined && answer.status === 204 && record !== null;
    return this.history.add({
      ...common,
      kind: "append",
      record: record?.id ?? null,
      producer: producer ?? null,
      ...streamSeq === undefined ? {} : { streamSeq },
      closes,
      duplicate,
      tail: this.#offsetIn(stream, answer),
      closed: answer.headers.get("stream-closed") === "true",
    }) as Append;
  }

  async delete(node: number, stream: StreamName): Promise<Delete> {
    const { common } = await this.#ask(node, stream, { method: "DELETE" });
    return this.history.add({
      ...common,
      kind: "delete",
      incarnation: stream.incarnation,
    }) as Delete;
  }

  /** @param before a position between two records */
  async trim(node: number, stream: StreamName, before: number): Promise<Trim> {
    const token = this.history.offsets.tokenOf(stream, before);
    const { answer, common } = await this.#ask(node, stream, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new TextEncoder().encode(JSON.stringify({ before: token })),
    }, { target: `/v1/stream/__ds/streams/${stream.path}/trim` });
    const earliest = common.outcome === "ok"
      ? (JSON.parse(new TextDecoder().decode(answer.body)) as { earliest_offset: string })
        .earliest_offset
      : null;
    return this.history.add({
      ...common,
      kind: "trim",
      before,
      earliest: this.history.offsets.positionIn(stream, earliest),
    }) as Trim;
  }

  async head(node: number, stream: StreamName): Promise<Head> {
    const { answer, common } = await this.#ask(node, stream, { method: "HEAD" });
    return this.history.add({
      ...common,
      kind: "head",
      ...this.#earliestIn(stream, answer),
      tail: this.#offsetIn(stream, answer),
      closed: answer.headers.get("stream-closed") === "true",
    }) as Head;
  }

  /** Returns the pieces of the answer; the last one says how far it goes. */
  async read(node: number, stream: StreamName, options: ReadOptions): Promise<Read[]> {
    const { start, mode = "catch-up", follower = null } = options;
    const live = mode === "catch-up" ? "" : `&live=${mode}`;
    const query = `?offset=${this.history.offsets.tokenOf(stream, start)}${live}`;
    const { answer, common } = await this.#ask(node, stream, { method: "GET" }, {
      target: targetOf(stream) + query,
    });
    const given = common.outcome === "ok" ? answer.body : new Uint8Array(0);
    const range = {
      start,
      end: this.#offsetIn(stream, answer),
      upToDate: answer.headers.get("stream-up-to-date") === "true",
      closed: answer.headers.get("stream-closed") === "true",
    };
    return piecesOf(stream, range, given).map((piece) =>
      this.history.add({
        ...{ ...common, kind: "read", mode, follower, ...piece },
        ...this.#earliestIn(stream, answer),
      }) as Read
    );
  }

  #offsetIn(stream: StreamName, { headers }: Answer): number | null {
    return this.history.offsets.positionIn(stream, headers.get("stream-next-offset"));
  }

  #earliestIn(stream: StreamName, { headers }: Answer): { earliest?: number } {
    const token = headers.get("stream-earliest-offset");
    const earliest = this.history.offsets.positionIn(stream, token);
    return earliest === null ? {} : { earliest };
  }

  async #ask(
    node: number,
    stream: StreamName,
    request: Omit<HttpRequest, "target">,
    { target } = { target: targetOf(stream) },
  ) {
    const invoked = this.history.now();
    const answer = await this.#send(node, { ...request, target });
    const { status, headers } = answer;
    const common = {
      client: this.name,
      node,
      path: stream.path,
      invoked,
      completed: this.history.now(),
      outcome: outcomeOf(status),
      status,
      reason: answer.reason,
      retryAfter: headers.has("retry-after"),
    };
    return { answer, common };
  }

  async #send(node: number, request: HttpRequest): Promise<Answer> {
    try {
      const { status, headers, body } = await this.#http[node]!.request(request, LIMIT_MS);
      const reason = status < 300 ? null : codeIn(body) ?? String(status);
      return { status, headers, body, reason };
    } catch (error) {
      const reason = (error as Error).message;
      return { status: null, headers: new Headers(), body: new Uint8Array(0), reason };
    }
  }
}

function targetOf({ path }: StreamName): string {
  return `/v1/stream/${path}`;
}

function outcomeOf(status: number | null): Outcome {
  if (status === null || OPEN.includes(status) || status >= 500) return "unknown";
  return status < 300 ? "ok" : "refused";
}

function codeIn(body: Uint8Array): string | null {
  try {
    const parsed = JSON.parse(new TextDecoder().decode(body)) as { error?: { code?: string } };
    return parsed.error?.code ?? null;
  } catch {
    return null;
  }
}
