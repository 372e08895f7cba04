/**
 * Offsets: the opaque tokens of protocol section 8, and what is behind them.
 *
 * `<position, 16 digits>_<generation, 13 digits><slack, 3 digits>`, always 33 characters.
 *
 * A position counts the stored bytes before it. It is a JavaScript number, an integer in
 * 0..2^53-1: 9 PB a stream, and no bigint on the hot path. Fixed width makes the lexicographic
 * order of tokens the order of positions.
 *
 * A generation is the id of the stream that stored the byte before the position: it tells an offset
 * of a deleted stream from one of its successor at the same path. What a fork has from its source
 * has the source's offsets. No byte is before position 0, which has the generation 0: the start is
 * one token for all streams.
 *
 * The slack is minted 000 and ignored when it comes back, because a client in the field adds 1 to
 * the second half (`@durable-streams/y-durable-streams` 0.2.7, after a compaction).
 */

/** The sentinel for the beginning of a stream. Never minted. */
export const START = "-1";

/** The sentinel for the tail of a stream, whatever it is by now. Never minted. */
export const NOW = "now";

/** What a token stands for. */
export interface Offset {
  readonly position: number;
  /** The id of the stream whose bytes lead up to the position; 0 at position 0. */
  readonly generation: number;
}

/** What a reader asked for: a place it knows, the beginning of what is left, or the tail. */
export type OffsetRequest =
  | Offset & { kind: "position" }
  | { kind: "start" }
  | { kind: "now" };

/** The greatest generation that has room in a token. */
export const MAX_GENERATION = 9_999_999_999_999;

const SLACK = "000";
const TOKEN = /^[0-9]{16}_[0-9]{16}$/;
const AT_START: Offset = { position: 0, generation: 0 };

/**
 * The token for a position.
 * @throws RangeError when `position` is no integer in 0..2^53-1, or `generation` none in
 * 1..`MAX_GENERATION` (0 at position 0).
 */
export function encodeOffset({ position, generation }: Offset): string {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`not a position: ${position}`);
  }
  const valid = position === 0 ? generation === 0 : generation > 0;
  if (!Number.isInteger(generation) || generation > MAX_GENERATION || !valid) {
    throw new RangeError(`not a generation at position ${position}: ${generation}`);
  }
  return `${String(position).padStart(16, "0")}_${String(generation).padStart(13, "0")}${SLACK}`;
}

/** What a token stands for; null for whatever `encodeOffset` cannot have made, but for the slack. */
export function decodeOffset(token: string): Offset | null {
  if (!TOKEN.test(token)) return null;
  // Sixteen digits reach past 2^53-1, and Number() rounds them; but it rounds none of them down to
  // 2^53-1 or below, so the check may follow the conversion.
  const position = Number(token.slice(0, 16));
  const generation = Number(token.slice(17, 30));
  if (position === 0) return generation === 0 ? AT_START : null;
  return generation > 0 && Number.isSafeInteger(position) ? { position, generation } : null;
}

/** Reads the value of an `offset` parameter or header, sentinels included; null if malformed. */
export function parseOffset(text: string): OffsetRequest | null {
  if (text === NOW) return { kind: "now" };
  if (text === START) return { kind: "start" };
  const offset = decodeOffset(text);
  return offset === null ? null : { kind: "position", ...offset };
}
