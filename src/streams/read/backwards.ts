/** Reads a stream from its end: the last messages, or bytes, before a position. */
import { concatenate } from "../../lib/bytes.ts";
import { invalid, Refused } from "../../errors.ts";
import { isJsonMode } from "../../protocol/content_type.ts";
import { MESSAGE_END } from "../../protocol/json_mode.ts";
import type { StreamState } from "../stream_state.ts";
import type { Page } from "./page_reader.ts";

/** Stored bytes of `[start, stop)`, all of them; a copy. */
export type ReadBytes = (start: number, stop: number) => Promise<Uint8Array>;

export interface BackwardRange {
  /** The earliest position there is. */
  readonly lowest: number;
  /** The position before which the page ends. */
  readonly stop: number;
  /** JSON messages, or bytes of other streams. */
  readonly count: number;
  /** About the most bytes; a larger JSON message comes whole. */
  readonly most: number;
}

/** What is read first; of further parts the least. Bytes. */
const FIRST_BYTES = 16 << 10;
/** How much more all that has been read may become by one more part. */
const GROWTH = 4;

/**
 * The page that ends at `stop`. Parts are read backwards, each once, until enough messages begin in
 * them: less than twice the last message and 16 KiB to find where that begins, then about as much as
 * messages of that size would take, and nothing that could not be a part of the page.
 * @throws Refused `invalid` when `stop` is inside a JSON message
 */
export async function readBackwards(
  stream: StreamState,
  range: BackwardRange,
  read: ReadBytes,
): Promise<Page> {
  const { lowest, stop } = range;
  let bytes: Uint8Array = new Uint8Array(0);
  if (stop > lowest) {
    bytes = isJsonMode(stream.contentType)
      ? await lastMessages(range, read)
      : await read(Math.max(lowest, stop - Math.min(range.count, range.most)), stop);
  }
  const upToDate = stop === stream.tail;
  const closed = upToDate && stream.closed;
  return { start: stop - bytes.length, end: stop, bytes, upToDate, closed };
}

async function lastMessages(
  { lowest, stop, count, most }: BackwardRange,
  read: ReadBytes,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  /** Where the messages that are taken so far begin, and how many they are. */
  let begin = stop;
  let taken = 0;
  /** Takes the message that begins there, unless the page is complete without it. */
  const take = (boundary: number): boolean => {
    if (taken > 0 && stop - boundary > most) return false;
    begin = boundary;
    return ++taken < count;
  };
  let wants = true;
  let reach = stop;
  while (wants && reach > lowest) {
    const found = { taken, count, bytes: stop - begin, examined: stop - reach };
    // A message that begins further back does not fit: the byte before it, which ends another, may.
    const floor = taken === 0 ? lowest : Math.max(lowest, stop - most - 1);
    const from = Math.max(floor, reach - nextLength(found));
    if (from >= reach) break;
    const part = await read(from, reach);
    if (reach === stop && part.at(-1) !== MESSAGE_END) {
      throw new Refused(invalid("OFFSET_INSIDE_MESSAGE", "the offset is inside a message"));
    }
    parts.unshift(part);
    let at = reach === stop ? part.length - 2 : part.length - 1;
    while (wants && at >= 0 && (at = part.lastIndexOf(MESSAGE_END, at)) >= 0) {
      wants = take(from + at + 1);
      at--;
    }
    reach = from;
    if (wants && reach === lowest) take(lowest);
  }
  const bytes = concatenate(parts);
  return bytes.slice(bytes.length - (stop - begin));
}

/** How many bytes the next part has, by the messages that are found so far. */
function nextLength(
  { taken, count, bytes, examined }: {
    readonly taken: number;
    readonly count: number;
    /** Of the messages that are taken. */
    readonly bytes: number;
    readonly examined: number;
  },
): number {
  if (taken === 0) return Math.max(FIRST_BYTES, examined);
  const rest = Math.ceil(bytes / taken * (count - taken)) - (examined - bytes);
  return Math.max(FIRST_BYTES, Math.min(rest, (GROWTH - 1) * examined));
}
