/** Byte arrays. */

/** All parts as one. A single part is returned as it is, without a copy. */
export function concatenate<B extends ArrayBufferLike>(
  parts: readonly Uint8Array<B>[],
): Uint8Array<B> | Uint8Array<ArrayBuffer> {
  return parts.length === 1 ? parts[0]! : copyTogether(parts);
}

/** All parts as one, in a buffer of its own. */
export function copyTogether(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    whole.set(part, filled);
    filled += part.length;
  }
  return whole;
}
