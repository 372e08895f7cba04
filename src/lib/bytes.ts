/** Byte arrays. */

/** All parts as one. A single part is returned as it is, without a copy. */
export function concatenate<B extends ArrayBufferLike>(
  parts: readonly Uint8Array<B>[],
): Uint8Array<B> | Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    whole.set(part, filled);
    filled += part.length;
  }
  return whole;
}
