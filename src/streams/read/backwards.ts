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

/** What is read first, and how much larger each further part is. Bytes. */
const FIRST_BYTES = 16 << 10;
const GROWTH = 4;

/**
 * The page that ends at `stop`. It costs what it holds, and at most four times as much where messages
 * are larger than 16 KiB: parts are read backwards until enough messages begin in them.
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
  for (let reach = stop, length = FIRST_BYTES; wants && reach > lowest; length *= GROWTH) {
    const from = Math.max(lowest, reach - length);
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
