/**
 * PUT: creates a stream, or confirms that the existing stream has the requested configuration
 * (section 5.1). Creations that wait at the same time share a statement.
 */
import { Batcher } from "../../lib/batcher.ts";
import { concatenate } from "../../lib/bytes.ts";
import type { Refusal } from "../../errors.ts";
import { type Database, numberArray, StatementTimeout, textArray } from "../../storage/database.ts";
import { type Labels, sameLabels } from "../../protocol/labels.ts";
import type { Offset } from "../../protocol/offset.ts";
import type { Retention } from "../../protocol/retention.ts";
import { isOffsetOf } from "../read/fork_chain.ts";
import {
  needsTurns,
  sameContentType,
  type SegmentRange,
  segmentsOf,
  type StoredBody,
  storedBody,
  storedBodyInTurns,
} from "../stored_body.ts";
import type { CreationAdmission } from "./creation_admission.ts";
import { labelsOf, stateOf, type StreamRow, type StreamState } from "../stream_state.ts";

export const DEFAULT_CONTENT_TYPE = "application/octet-stream";

export interface ForkRequest {
  readonly sourcePath: string;
  /** Where to fork; null: at the source's tail. */
  readonly anchor: Offset | null;
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
  /** Null or absent: what the server's rules say. */
  readonly retention?: Retention | null;
  readonly closed: boolean;
  /** Null: none; of a stream that exists, whatever it has. */
  readonly labels?: Labels | null;
  readonly body: Uint8Array;
  readonly fork: ForkRequest | null;
}

export type CreateOutcome =
  | { readonly kind: "created"; readonly stream: StreamState }
  | { readonly kind: "exists"; readonly stream: StreamState }
  | Refusal;

const CREATE = `select created, (stream).* from penstock.create_streams(
  $1::text[], $2::text[], $3::bigint[], $4::bigint[],
  $5::text[], $6::bigint[], $7::integer[], $8::integer[], $9::boolean[], $10::bytea,
  $11::bigint[], $12::bigint[], $13::text[])`;

/** The most creations in one statement. */
const MAX_BATCH = 1000;
/** About the most body bytes in one statement. */
const BATCH_BYTES = 8 << 20;

/** A creation whose body has been checked. */
export interface PreparedCreate {
  readonly request: CreateRequest;
  readonly contentType: string;
  /** The body as it will be stored. */
  readonly bytes: Uint8Array;
}

/** A stream at the path, created now or there before. */
type CreatedRow = StreamRow & { readonly created: boolean };

export class Creator {
  readonly #database: Database;
  readonly #admission: CreationAdmission;
  /** Undefined: nothing was created, and nothing could be seen at the path. */
  readonly #batcher: Batcher<PreparedCreate, CreatedRow | undefined>;

  constructor(database: Database, admission: CreationAdmission) {
    this.#database = database;
    this.#admission = admission;
    this.#batcher = new Batcher({
      concurrency: 1,
      select: selectBatch,
      run: (batch) => createAll(database, batch),
      // Creations that wait behind a statement that timed out have waited as long: they fail with
      // it, so that none waits for two time limits.
      failsWaiting: (error) => error instanceof StatementTimeout,
    });
  }

  /**
   * Creates a stream that is not a fork.
   * @throws DatabaseUnavailable, Overloaded
   */
  create(request: CreateRequest): Promise<CreateOutcome> {
    const contentType = request.contentType ?? DEFAULT_CONTENT_TYPE;
    return this.#admission.run(request.body.length, async () => {
      const bytes = await initialBody(contentType, request.body);
      if (!(bytes instanceof Uint8Array)) return bytes;
      return await this.#create({ request, contentType, bytes });
    });
  }

  async #create(prepared: PreparedCreate): Promise<CreateOutcome> {
    while (true) {
      const row = await this.#batcher.submit(prepared);
      if (row === undefined) continue;
      const stream = stateOf(row);
      if (row.created) return { kind: "created", stream };
      const outcome = await existing(this.#database, stream, prepared.request);
      if (outcome !== "again") return outcome;
    }
  }
}

/**
 * The creations of the next statement: each path once, so that a second creation of the same path
 * finds the stream that the first has made; and no more bodies than one statement should carry.
 */
export function selectBatch(waiting: readonly PreparedCreate[]): PreparedCreate[] {
  const batch = new Map<string, PreparedCreate>();
  let room = BATCH_BYTES;
  for (const prepared of waiting) {
    if (batch.size >= MAX_BATCH || room <= 0) break;
    const { path } = prepared.request;
    if (batch.has(path)) continue;
    batch.set(path, prepared);
    room -= prepared.bytes.length;
  }
  return [...batch.values()];
}

/** @returns for each creation the stream at its path, in the order of the batch */
async function createAll(
  database: Database,
  batch: readonly PreparedCreate[],
): Promise<(CreatedRow | undefined)[]> {
  // The order of the paths is the order of the locks, the same on every node.
  const ordered = [...batch].sort((a, b) => a.request.path < b.request.path ? -1 : 1);
  const segments: (SegmentRange & { path: string; position: number })[] = [];
  let filled = 0;
  for (const { request: { path, closed }, contentType, bytes } of ordered) {
    for (const { start, length, closes } of segmentsOf(contentType, bytes, closed)) {
      segments.push({ path, position: start, start: filled + start, length, closes });
    }
    filled += bytes.length;
  }
  const rows = await database.query<CreatedRow>(CREATE, [
    textArray(ordered.map(({ request }) => request.path)),
    textArray(ordered.map(({ contentType }) => contentType)),
    numberArray(ordered.map(({ request }) => request.ttlSeconds)),
    numberArray(ordered.map(({ request }) => request.expiresAtMs)),
    textArray(segments.map((segment) => segment.path)),
    numberArray(segments.map((segment) => segment.position)),
    numberArray(segments.map((segment) => segment.start)),
    numberArray(segments.map((segment) => segment.length)),
    numberArray(segments.map((segment) => segment.closes)),
    concatenate(ordered.map(({ bytes }) => bytes)),
    numberArray(ordered.map(({ request }) => request.retention?.ageSeconds ?? null)),
    numberArray(ordered.map(({ request }) => request.retention?.bytes ?? null)),
    textArray(ordered.map(({ request }) => labelsText(request))),
  ]);
  const byPath = new Map(rows.map((row) => [row.path, row]));
  return batch.map(({ request }) => byPath.get(request.path));
}

/** As the database takes them: a JSON object, or null. */
export function labelsText({ labels = null }: Pick<CreateRequest, "labels">): string | null {
  return labels === null ? null : JSON.stringify(labels);
}

/** The first bytes of a stream, or why the body cannot be stored. An empty body is no bytes. */
export async function initialBody(contentType: string, body: Uint8Array): Promise<StoredBody> {
  if (body.length === 0) return body;
  return needsTurns(contentType, body)
    ? await storedBodyInTurns(body, true)
    : storedBody(contentType, body, true);
}

/**
 * The outcome of a PUT of a path where a stream exists; `again` when that stream had expired and
 * has been deleted, so that the path is free.
 */
export async function existing(
  database: Database,
  stream: StreamState,
  request: CreateRequest,
): Promise<CreateOutcome | "again"> {
  if (stream.state === "active" && stream.expired) {
    const [row] = await database.query<{ outcome: string }>(
      "select outcome from penstock.terminate_stream($1, true)",
      [stream.id],
    );
    if (row?.outcome !== "already_soft_deleted" && row?.outcome !== "soft_deleted") return "again";
  } else if (stream.state === "active") {
    const difference = differs(stream, request);
    return difference === null ? { kind: "exists", stream } : {
      kind: "conflict",
      message: `Stream already exists with different configuration: another ${difference}`,
    };
  }
  return {
    kind: "conflict",
    message: "a deleted stream that forks still read holds this path",
  };
}

/** The first part of the configuration in which a stream differs from the request. */
export function differs(stream: StreamState, request: CreateRequest): string | null {
  const inherits = request.fork !== null && stream.expiryInherited &&
    request.ttlSeconds === null && request.expiresAtMs === null;
  const contentType = request.contentType ??
    (request.fork === null ? DEFAULT_CONTENT_TYPE : stream.contentType);
  if (!sameContentType(stream.contentType, contentType)) return "content type";
  if (!inherits && stream.ttlSeconds !== request.ttlSeconds) return "TTL";
  if (!inherits && stream.expiresAtMs !== request.expiresAtMs) return "expiry";
  if (!sameRetention(stream.retention, request.retention ?? null)) return "retention";
  if (stream.closed !== request.closed) return "closure status";
  // A client that knows nothing of labels finds the stream that it asks for.
  const { labels = null } = request;
  if (labels !== null && !sameLabels(labelsOf(stream), labels)) return "labels";
  if (stream.sourcePath !== (request.fork?.sourcePath ?? null)) return "fork source";
  if (request.fork === null) return null;
  const { anchor, subOffset } = request.fork;
  const same = anchor === null ||
    (anchor.position === stream.forkAnchor && isOffsetOf(stream, anchor));
  if (!same) return "fork offset";
  return subOffset === (stream.forkSubOffset ?? 0) ? null : "fork sub-offset";
}

function sameRetention(one: Retention | null, other: Retention | null): boolean {
  return one?.ageSeconds === other?.ageSeconds && one?.bytes === other?.bytes;
}
