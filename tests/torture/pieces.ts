/** What was read as pieces of a stream: one, or several where it goes across a fork's cuts. */
import type { HistoryRecorder, Read } from "./history.ts";
import { bytesOf, decode, storedBytes, storedOfJson } from "./records.ts";
import { isJson, type StreamName } from "./stream_name.ts";

/** What an answer, or a control event, says of the bytes it comes with. */
export type Range = Pick<Read, "start" | "end" | "upToDate" | "closed">;
export type Piece = Range & Pick<Read, "records" | "head" | "rest" | "flaws">;

/** @param body of an answer, or the data of an SSE event */
export function piecesOf(stream: StreamName, range: Range, body: Uint8Array): Piece[] {
  const cuts = stream.cuts ?? [];
  if (!isJson(stream)) return cutUp(cuts, range, body);
  const { bytes, flaws } = storedOfJson(new TextDecoder().decode(body));
  const [first, ...more] = cutUp(cuts, range, bytes);
  return [{ ...first!, flaws: [...flaws, ...first!.flaws] }, ...more];
}

/**
 * A record that ends at a cut may be cut off there, and nobody can tell its bytes from those of the
 * next record without knowing where that begins.
 *
 * @returns at least one
 */
export function cutUp(cuts: readonly number[], range: Range, stored: Uint8Array): Piece[] {
  const { start, end } = range;
  const inside = cuts.filter((cut) => end !== null && start < cut && cut < end);
  return [start, ...inside].map((from, at) => {
    const to = inside[at];
    const bytes = stored.subarray(from - start, to === undefined ? stored.length : to - start);
    const last = to === undefined ? range : { end: to, upToDate: false, closed: false };
    return { ...last, start: from, ...decode(bytes) };
  });
}

/** The stored bytes that successive pieces hold. */
export function storedIn(history: HistoryRecorder, pieces: readonly Read[]): Uint8Array {
  const parts = pieces.flatMap(({ head, records, rest }) => [
    bytesOf(head),
    ...records.map((record) => storedBytes(history.records.get(record)!)),
    bytesOf(rest),
  ]);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
