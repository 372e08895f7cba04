/** PUT with Stream-Forked-From: a stream that begins with another's bytes (section 4.2). */
import { invalid, type Refusal, Refused } from "../../errors.ts";
import { isJsonMode } from "../../protocol/content_type.ts";
import { positionAfterMessages } from "../../protocol/json_mode.ts";
import { type Database, DatabaseUnavailable, numberArray } from "../../storage/database.ts";
import {
  type CreateOutcome,
  type CreateRequest,
  existing,
  type ForkRequest,
  initialBody,
  labelsText,
} from "./create.ts";
import type { CreationAdmission } from "./creation_admission.ts";
import type { StateLoader } from "../state_loader.ts";
import { isOffsetOf } from "../read/fork_chain.ts";
import type { PageReader } from "../read/page_reader.ts";
import { sameContentType, segmentsOf } from "../stored_body.ts";
import { stateOf, type StreamRow, type StreamState, trimmed, unusable } from "../stream_state.ts";

const FORK = `select outcome, (stream).* from penstock.create_fork(
  $1, $2, $3::bigint, $4::bigint, $5::boolean, $6::bigint, $7, $8::bigint,
  $9::bigint, $10::bigint, $11::bigint[], $12::integer[], $13::integer[], $14::boolean[], $15::bytea,
  $16::bigint, $17::bigint, $18)`;

/**
 * How often a request is repeated because its source or target has changed, before it is refused.
 */
const MAX_ATTEMPTS = 5;

export interface ForkParts {
  readonly database: Database;
  readonly stateLoader: StateLoader;
  readonly reader: Pick<PageReader, "page">;
  readonly admission: CreationAdmission;
}

/**
 * Creates a fork, or confirms that the existing stream is the requested one.
 * @throws DatabaseUnavailable, Overloaded
 */
export function createFork(
  parts: ForkParts,
  request: CreateRequest & { readonly fork: ForkRequest },
): Promise<CreateOutcome> {
  return parts.admission.run(request.body.length, () => attemptFork(parts, request));
}

async function attemptFork(
  parts: ForkParts,
  request: CreateRequest & { readonly fork: ForkRequest },
): Promise<CreateOutcome> {
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
    const target = await parts.stateLoader.load(request.path);
    if (target !== null) {
      const outcome = await existing(parts.database, target, request);
      if (outcome !== "again") return outcome;
    }
    const source = await parts.stateLoader.load(request.fork.sourcePath);
    const refusal = refuseSource(source, request);
    if (refusal !== null) return refusal;
    const outcome = await fork(parts, source!, request);
    if (outcome !== "again") return outcome;
  }
  throw new DatabaseUnavailable("the fork's source or target kept changing");
}

function refuseSource(source: StreamState | null, request: CreateRequest): Refusal | null {
  const refusal = unusable(source);
  if (refusal?.kind === "gone") {
    return { kind: "conflict", message: "the source stream is deleted" };
  }
  if (refusal !== null) return refusal;
  if (request.contentType === null) return null;
  return sameContentType(request.contentType, source!.contentType)
    ? null
    : { kind: "content_type_mismatch", expected: source!.contentType };
}

async function fork(
  parts: ForkParts,
  source: StreamState,
  request: CreateRequest & { readonly fork: ForkRequest },
): Promise<CreateOutcome | "again"> {
  const contentType = request.contentType ?? source.contentType;
  const bytes = await initialBody(contentType, request.body);
  if (!(bytes instanceof Uint8Array)) return bytes;
  const given = request.fork.anchor;
  if (given !== null && !isOffsetOf(source, given)) return { kind: "offset_of_another_stream" };
  const anchor = given?.position ?? source.tail;
  const at = await forkPosition(parts.reader, source, anchor, request.fork.subOffset);
  if (typeof at !== "number") return at;

  const lifetime = lifetimeOf(source, request);
  const segments = segmentsOf(contentType, bytes, request.closed);
  const [row] = await parts.database.query<StreamRow & { outcome: string }>(FORK, [
    request.path,
    contentType,
    lifetime.ttlSeconds,
    lifetime.expiresAtMs,
    lifetime.inherited,
    source.id,
    request.fork.sourcePath,
    at,
    anchor,
    request.fork.subOffset,
    numberArray(segments.map((segment) => at + segment.start)),
    numberArray(segments.map((segment) => segment.start)),
    numberArray(segments.map((segment) => segment.length)),
    numberArray(segments.map((segment) => segment.closes)),
    bytes,
    request.retention?.ageSeconds ?? null,
    request.retention?.bytes ?? null,
    labelsText(request),
  ]);
  if (row?.outcome === "too_deep") {
    return invalid("FORK_CHAIN_TOO_LONG", "the source is the last of a chain of 100 streams");
  }
  // Otherwise the target was created or the source deleted since their states were loaded.
  if (row?.outcome !== "created") return "again";
  const sources = [{ id: source.id, from: source.forkPosition ?? 0 }, ...source.sources];
  return { kind: "created", stream: stateOf(row, sources) };
}

/** The fork position, or the reason why the stream cannot be forked there. */
async function forkPosition(
  reader: Pick<PageReader, "page">,
  source: StreamState,
  anchor: number,
  subOffset: number,
): Promise<number | Refusal> {
  if (anchor > source.tail) {
    return invalid("FORK_OFFSET_BEYOND_TAIL", "Stream-Fork-Offset is beyond the source's tail");
  }
  if (anchor < source.earliest) return trimmed(source).refusal;
  const overshoot = invalid(
    "FORK_SUB_OFFSET_BEYOND_TAIL",
    "Stream-Fork-Sub-Offset names a position beyond the source's tail",
  );
  if (!isJsonMode(source.contentType)) {
    return anchor + subOffset > source.tail ? overshoot : anchor + subOffset;
  }
  let position = anchor;
  let missing = subOffset;
  try {
    do {
      // A page is read even without a sub-offset, to check that the anchor is between messages.
      const page = await reader.page(source, position);
      if (missing === 0) return position;
      const { found, length } = positionAfterMessages(page.bytes, missing);
      position += length;
      missing -= found;
      if (page.upToDate) break;
    } while (missing > 0);
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
  return missing > 0 ? overshoot : position;
}

/** The fork expiry table of section 4.2: the request's TTL or expiry, else the source's. */
export function lifetimeOf(
  source: Pick<StreamState, "ttlSeconds" | "expiresAtMs">,
  request: Pick<CreateRequest, "ttlSeconds" | "expiresAtMs">,
): { ttlSeconds: number | null; expiresAtMs: number | null; inherited: boolean } {
  const { ttlSeconds, expiresAtMs } = request;
  if (ttlSeconds !== null || expiresAtMs !== null) {
    return { ttlSeconds, expiresAtMs, inherited: false };
  }
  return { ttlSeconds: source.ttlSeconds, expiresAtMs: source.expiresAtMs, inherited: true };
}
