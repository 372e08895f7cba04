/** How a request's body is stored, by the stream's content type (section 9). */
import { measurements } from "../lib/telemetry/measurements.ts";
import { invalid, type Refusal } from "../errors.ts";
import { isJsonMode, normalizeContentType } from "../protocol/content_type.ts";
import {
  type FlattenedJson,
  flattenJson,
  flattenJsonInTurns,
  InvalidJson,
  JsonTooDeep,
  splitAnywhere,
  splitAtMessages,
} from "../protocol/json_mode.ts";

/** The bytes a body is stored as, or why it cannot be. */
export type StoredBody = Uint8Array | Refusal;

/**
 * The size of a segment, which is always read whole: so it is small enough to page through, and
 * large enough that there are few. Bytes.
 */
const SEGMENT_BYTES = 1 << 20;

/** Bodies longer than this are parsed in turns; shorter ones take a third of a millisecond. Bytes. */
const LARGE_BYTES = 64 << 10;

/** @param mayBeEmpty whether an empty array is no messages (PUT) or an error (POST) */
export function storedBody(contentType: string, body: Uint8Array, mayBeEmpty: boolean): StoredBody {
  measurements.bytesReceived += body.length;
  if (!isJsonMode(contentType)) {
    measurements.messagesReceived += body.length > 0 ? 1 : 0;
    return body;
  }
  try {
    return storedMessages(flattenJson(body), mayBeEmpty);
  } catch (error) {
    return refusalOf(error);
  }
}

/** Whether parsing the body would keep the event loop from others for too long. */
export function needsTurns(contentType: string, body: Uint8Array): boolean {
  return body.length > LARGE_BYTES && isJsonMode(contentType);
}

/** As `storedBody`, for what needs turns. */
export async function storedBodyInTurns(
  body: Uint8Array,
  mayBeEmpty: boolean,
): Promise<StoredBody> {
  measurements.bytesReceived += body.length;
  try {
    return storedMessages(await flattenJsonInTurns(body), mayBeEmpty);
  } catch (error) {
    return refusalOf(error);
  }
}

function storedMessages({ bytes, messages }: FlattenedJson, mayBeEmpty: boolean): StoredBody {
  measurements.messagesReceived += messages;
  if (messages > 0 || mayBeEmpty) return bytes;
  return invalid("EMPTY_ARRAY", "an append needs at least one message: the array is empty");
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof JsonTooDeep) return invalid("JSON_TOO_DEEP", error.message);
  if (error instanceof InvalidJson) return invalid("INVALID_JSON", error.message);
  throw error;
}

/** Section 5.2 compares media types, without parameters (charset) and letter case. */
export function sameContentType(one: string, other: string): boolean {
  return one === other || normalizeContentType(one) === normalizeContentType(other);
}

/** The bytes of one segment inside the bytes that are stored. */
export interface SegmentRange {
  readonly start: number;
  readonly length: number;
  /** The stream is closed behind it. */
  readonly closes: boolean;
}

/**
 * Divides stored bytes into segments, contiguous and in order; JSON only between messages. A close
 * without bytes is a segment of none.
 */
export function segmentsOf(
  contentType: string,
  bytes: Uint8Array,
  closes: boolean,
): SegmentRange[] {
  if (bytes.length === 0 && !closes) return [];
  if (bytes.length <= SEGMENT_BYTES) return [{ start: 0, length: bytes.length, closes }];
  const ranges = isJsonMode(contentType)
    ? splitAtMessages(bytes, SEGMENT_BYTES)
    : splitAnywhere(bytes.length, SEGMENT_BYTES);
  return ranges.map((range, at) => ({ ...range, closes: closes && at === ranges.length - 1 }));
}
