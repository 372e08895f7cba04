/** How a request's body is stored, by the stream's content type (section 9). */
import { invalid, type Refusal } from "../errors.ts";
import { isJsonMode, normalizeContentType } from "../protocol/content_type.ts";
import { flattenJson, InvalidJson, splitAnywhere, splitAtMessages } from "../protocol/json_mode.ts";

/** The bytes a body is stored as, or why it cannot be. */
export type StoredBody = Uint8Array | Refusal;

/**
 * The size of a segment, which is always read whole: so it is small enough to page through, and
 * large enough that there are few. Bytes.
 */
const SEGMENT_BYTES = 1 << 20;

/** @param mayBeEmpty whether an empty array is no messages (PUT) or an error (POST) */
export function storedBody(contentType: string, body: Uint8Array, mayBeEmpty: boolean): StoredBody {
  if (!isJsonMode(contentType)) return body;
  try {
    const { bytes, messages } = flattenJson(body);
    if (messages > 0 || mayBeEmpty) return bytes;
    return invalid("EMPTY_ARRAY", "an append needs at least one message: the array is empty");
  } catch (error) {
    if (!(error instanceof InvalidJson)) throw error;
    return invalid("INVALID_JSON", error.message);
  }
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
