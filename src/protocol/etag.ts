/**
 * ETags of reads (protocol section 10.1). Bytes at a position never change, so where an answer
 * starts and ends names its body; the stream's id tells it from one that had the same path before,
 * and `:c` tells the closed stream from the open one, lest a 304 hide the closure.
 */

/** The strong ETag, quotes included. `start` and `end` are positions. */
export function etagOf(streamId: number, start: number, end: number, closed: boolean): string {
  return `"${streamId}:${start}:${end}${closed ? ":c" : ""}"`;
}

/**
 * Whether an `If-None-Match` value names `etag` (RFC 9110, section 13.1.2): one of a list, weak or
 * strong alike, or `*`.
 */
export function matchesEtag(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch === etag || ifNoneMatch.trim() === "*") return true;
  // An entity tag may hold a comma but never a quote, so quotes and not commas delimit the list.
  for (const [tag] of ifNoneMatch.matchAll(/"[^"]*"/g)) {
    if (tag === etag) return true;
  }
  return false;
}
