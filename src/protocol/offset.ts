/**
 * Offsets: the opaque tokens of protocol section 8, and the positions behind them.
 *
 * A position counts the stored bytes before it. It is a JavaScript number, an integer in
 * 0..2^53-1: 9 PB a stream, and no bigint on the hot path.
 *
 * The token is two fields of sixteen digits, as the official server writes it, so that clients that
 * rely on that shape keep working. The fixed width makes the lexicographic order of tokens the
 * order of positions. The first field is always zero.
 */

/** The sentinel for the beginning of a stream. Never minted. */
export const START = "-1";

/** The sentinel for the tail of a stream, whatever it is by now. Never minted. */
export const NOW = "now";

/** What a reader asked for: a place it knows, or the tail. */
export type OffsetRequest = { kind: "position"; position: number } | { kind: "now" };

const PREFIX = "0000000000000000_";
const TOKEN = /^0{16}_[0-9]{16}$/;

/**
 * The token for `position`, always 33 characters.
 * @throws RangeError when `position` is no integer in 0..2^53-1.
 */
export function encodeOffset(position: number): string {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`not a position: ${position}`);
  }
  return PREFIX + String(position).padStart(16, "0");
}

/** The position a token stands for; null for whatever `encodeOffset` cannot have made. */
export function decodeOffset(token: string): number | null {
  if (!TOKEN.test(token)) return null;
  // Sixteen digits reach past 2^53-1, and Number() rounds them; but it rounds none of them down to
  // 2^53-1 or below, so the check may follow the conversion.
  const position = Number(token.slice(PREFIX.length));
  return Number.isSafeInteger(position) ? position : null;
}

/** Reads the value of an `offset` parameter or header, sentinels included; null if malformed. */
export function parseOffset(text: string): OffsetRequest | null {
  if (text === NOW) return { kind: "now" };
  const position = text === START ? 0 : decodeOffset(text);
  return position === null ? null : { kind: "position", position };
}
