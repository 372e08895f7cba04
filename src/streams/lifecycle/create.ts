/**
 * PUT: creates a stream, or finds that it already is as asked for (section 5.1). Creations that
 * wait together travel together.
 */
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import { ByteBudget } from "../../lib/byte_budget.ts";
import { Overloaded, type Refusal } from "../../errors.ts";
import { type Database, numberArray, StatementTimeout, textArray } from "../../storage/database.ts";
import { STATE_LIVE } from "../../storage/schema.ts";
import { sameContentType, segmentsOf, storedBody } from "../stored_body.ts";
import { stateOf, type StreamRow, type StreamState } from "../stream_state.ts";

export const DEFAULT_CONTENT_TYPE = "application/octet-stream";

export interface ForkRequest {
  readonly sourcePath: string;
  /** The position to fork at; null: the source's tail. */
  readonly anchor: number | null;
  /** Bytes, or JSON messages, past the anchor. */
  readonly subOffset: number;
}

export interface CreateRequest {
  readonly path: string;
  /** Null: the default, or a fork's source's. */
  readonly contentType: string | null;
  readonly ttlSeconds: number | null;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number | null;
  readonly closed: boolean;
  readonly body: Uint8Array;
  readonly fork: ForkRequest | null;
}

export type CreateOutcome =
  | { readonly kind: "created"; readonly stream: StreamState }
  | { readonly kind: "exists"; readonly stream: StreamState }
  | Refusal;

const CREATE = `select created, (stream).* from penstock.create_streams(
  $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::bigint[],
  $7::text[], $8::bigint[], $9::integer[], $10::integer[], $11::bytea)`;

const LARGEST_BATCH = 1000;
/** Body bytes of one batch, about. */
const BATCH_BYTES = 8 << 20;
/** Creations that wait, and the bytes of their bodies, at most. */
const MOST_WAITING = 20_000;
const MOST_WAITING_BYTES = 64 << 20;

interface WaitingCreate {
  readonly request: CreateRequest;
  readonly contentType: string;
  readonly bytes: Uint8Array;
  resolve(outcome: CreateOutcome): void;
  reject(error: unknown): void;
}

export class Creator {
  readonly #database: Database;
  #waiting: WaitingCreate[] = [];
  #underWay = false;
  readonly #budget = new ByteBudget(MOST_WAITING_BYTES);

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates a stream that is not a fork. */
  create(request: CreateRequest): Promise<CreateOutcome> {
    const contentType = request.contentType ?? DEFAULT_CONTENT_TYPE;
    const bytes = initialBody(contentType, request.body);
    if (!(bytes instanceof Uint8Array)) return Promise.resolve(bytes);
    if (this.#waiting.length >= MOST_WAITING || !this.#budget.take(bytes.length)) {
      return Promise.reject(new Overloaded("too many creations wait for the database"));
    }
    return new Promise<CreateOutcome>((resolve, reject) => {
      this.#waiting.push({ request, contentType, bytes, resolve, reject });
      this.#leave();
    }).finally(() => this.#budget.give(bytes.length));
  }

  #leave(): void {
    if (this.#underWay || this.#waiting.length === 0) return;
    this.#underWay = true;
    yieldToEventLoop().then(async () => {
      const batch = this.#take();
      try {
        await this.#send(batch);
      } catch (error) {
        // As with looks: nobody waits for two.
        if (error instanceof StatementTimeout) batch.push(...this.#waiting.splice(0));
        for (const create of batch) create.reject(error);
      }
      this.#underWay = false;
      this.#leave();
    });
  }

  /** A path once a batch: whoever asks for the same finds it made by the next. */
  #take(): WaitingCreate[] {
    const batch = new Map<string, WaitingCreate>();
    const later: WaitingCreate[] = [];
    let room = BATCH_BYTES;
    for (const create of this.#waiting) {
      const fits = batch.size < LARGEST_BATCH && room > 0 && !batch.has(create.request.path);
      if (fits) {
        batch.set(create.request.path, create);
        room -= create.bytes.length;
      } else later.push(create);
    }
    this.#waiting = later;
    return [...batch.values()].sort((a, b) => a.request.path < b.request.path ? -1 : 1);
  }

  async #send(batch: readonly WaitingCreate[]): Promise<void> {
    const bytes = new Uint8Array(batch.reduce((sum, create) => sum + create.bytes.length, 0));
    const segments: { path: string; position: number; start: number; length: number }[] = [];
    let filled = 0;
    for (const create of batch) {
      bytes.set(create.bytes, filled);
      for (const piece of segmentsOf(create.contentType, create.bytes)) {
        segments.push({
          path: create.request.path,
          position: piece.start,
          start: filled + piece.start,
          length: piece.length,
        });
      }
      filled += create.bytes.length;
    }
    const rows = await this.#database.query<StreamRow & { created: boolean }>(CREATE, [
      textArray(batch.map((create) => create.request.path)),
      textArray(batch.map((create) => create.contentType)),
      numberArray(batch.map((create) => create.request.ttlSeconds)),
      numberArray(batch.map((create) => create.request.expiresAtMs)),
      numberArray(batch.map((create) => create.request.closed)),
      numberArray(batch.map((create) => create.bytes.length)),
      textArray(segments.map((segment) => segment.path)),
      numberArray(segments.map((segment) => segment.position)),
      numberArray(segments.map((segment) => segment.start)),
      numberArray(segments.map((segment) => segment.length)),
      bytes,
    ]);
    const found = new Map(rows.map((row) => [row.path, row]));
    for (const create of batch) {
      const row = found.get(create.request.path);
      if (row?.created) create.resolve({ kind: "created", stream: stateOf(row) });
      else if (row === undefined) this.#again(create);
      else this.#settle(create, stateOf(row)).catch((error) => create.reject(error));
    }
  }

  /** Something is at the path: what was asked for, something else, or something whose time is up. */
  async #settle(create: WaitingCreate, stream: StreamState): Promise<void> {
    const outcome = await existing(this.#database, stream, create.request);
    if (outcome === "again") this.#again(create);
    else create.resolve(outcome);
  }

  #again(create: WaitingCreate): void {
    this.#waiting.push(create);
    this.#leave();
  }
}

/** The first bytes of a stream, or why the body cannot be. No body at all is no bytes. */
export function initialBody(contentType: string, body: Uint8Array): Uint8Array | Refusal {
  return body.length === 0 ? body : storedBody(contentType, body, true);
}

/**
 * What a PUT of an existing path comes to; `again` when what was there has expired and made room.
 */
export async function existing(
  database: Database,
  stream: StreamState,
  request: CreateRequest,
): Promise<CreateOutcome | "again"> {
  if (stream.state === STATE_LIVE && stream.expired) {
    const [row] = await database.query<{ outcome: string }>(
      "select outcome from penstock.retire($1, true)",
      [stream.id],
    );
    if (row?.outcome !== "already_soft_deleted" && row?.outcome !== "soft_deleted") return "again";
  } else if (stream.state === STATE_LIVE) {
    const difference = differs(stream, request);
    return difference === null ? { kind: "exists", stream } : {
      kind: "conflict",
      message: `a stream with another ${difference} exists here`,
    };
  }
  return {
    kind: "conflict",
    message: "a deleted stream that forks still read holds this path",
  };
}

/** The first part of the configuration in which a stream differs from what is asked for. */
export function differs(stream: StreamState, request: CreateRequest): string | null {
  const inherits = request.fork !== null && stream.expiryInherited &&
    request.ttlSeconds === null && request.expiresAtMs === null;
  const contentType = request.contentType ??
    (request.fork === null ? DEFAULT_CONTENT_TYPE : stream.contentType);
  if (!sameContentType(stream.contentType, contentType)) return "content type";
  if (!inherits && stream.ttlSeconds !== request.ttlSeconds) return "TTL";
  if (!inherits && stream.expiresAtMs !== request.expiresAtMs) return "expiry";
  if (stream.closed !== request.closed) return "closure status";
  if (stream.sourcePath !== (request.fork?.sourcePath ?? null)) return "fork source";
  if (request.fork === null) return null;
  const { anchor, subOffset } = request.fork;
  if (anchor !== null && anchor !== stream.forkAnchor) return "fork offset";
  return subOffset === (stream.forkSubOffset ?? 0) ? null : "fork sub-offset";
}
