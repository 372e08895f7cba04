/** Cuts standard input into what is appended: whole lines, JSON messages, or bytes as they come. */
import { copyTogether } from "../lib/bytes.ts";
import { usageError } from "./exit_codes.ts";

/** Bytes that go into one append together; several of them may share one. */
export interface InputPiece {
  readonly bytes: Uint8Array;
  /** Lines or messages that end in these bytes. */
  readonly messages: number;
}

const LINE_FEED = 0x0a;
/** Small enough that a server which takes less at once can be given less. */
const LARGEST_PIECE = 64 << 10;
const LARGEST_JSON_MESSAGE = 16 << 20;

/** Bytes as they come; a piece says nothing about messages, which a byte stream has none of. */
export async function* byteChunks(input: AsyncIterable<Uint8Array>): AsyncGenerator<InputPiece> {
  for await (const chunk of input) {
    for (let at = 0; at < chunk.length; at += LARGEST_PIECE) {
      yield { bytes: chunk.subarray(at, at + LARGEST_PIECE), messages: 0 };
    }
  }
}

/**
 * Whole lines with their line feeds, as many as have come. A line longer than a piece is sent in
 * several: its bytes stay in order, and memory stays bounded.
 */
export async function* lines(input: AsyncIterable<Uint8Array>): AsyncGenerator<InputPiece> {
  let partial: Uint8Array[] = [];
  let partialBytes = 0;
  for await (const chunk of input) {
    let start = 0;
    while (start < chunk.length) {
      const room = start + LARGEST_PIECE - partialBytes;
      const feed = chunk.subarray(0, room).lastIndexOf(LINE_FEED);
      const end = feed >= start ? feed + 1 : room <= chunk.length ? room : 0;
      if (end === 0) break;
      const bytes = copyTogether([...partial, chunk.subarray(start, end)]);
      yield { bytes, messages: countLines(bytes) };
      [partial, partialBytes, start] = [[], 0, end];
    }
    if (start < chunk.length) {
      partial.push(chunk.slice(start));
      partialBytes += chunk.length - start;
    }
  }
  if (partialBytes > 0) yield { bytes: copyTogether(partial), messages: 1 };
}

/**
 * A JSON message a line. Lines of spaces alone are passed over. Each is parsed here, so that the
 * error names its line, and so that one bad line does not refuse the batch it would travel in.
 */
export async function* jsonLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<InputPiece> {
  let number = 0;
  for await (const line of singleLines(input)) {
    number++;
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line).trim();
      if (text === "") continue;
      JSON.parse(text);
    } catch {
      throw usageError(`line ${number} is not JSON; the lines before it are appended`);
    }
    yield { bytes: new TextEncoder().encode(text), messages: 1 };
  }
}

async function* singleLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let partial: Uint8Array[] = [];
  let partialBytes = 0;
  for await (const chunk of input) {
    let start = 0;
    for (let end; (end = chunk.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      yield copyTogether([...partial, chunk.subarray(start, end)]);
      [partial, partialBytes] = [[], 0];
    }
    partial.push(chunk.slice(start));
    partialBytes += chunk.length - start;
    if (partialBytes > LARGEST_JSON_MESSAGE) {
      throw usageError(`a line is longer than ${LARGEST_JSON_MESSAGE >> 20} MiB`);
    }
  }
  if (partialBytes > 0) yield copyTogether(partial);
}

/** All of the input, for what has to be one append. */
export async function wholeInput(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    chunks.push(chunk.slice());
    length += chunk.length;
    if (length > LARGEST_JSON_MESSAGE) {
      throw usageError(
        `the input is longer than ${LARGEST_JSON_MESSAGE >> 20} MiB: with --lines it need not be ` +
          "one append",
      );
    }
  }
  return copyTogether(chunks);
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = -1; (at = bytes.indexOf(LINE_FEED, at + 1)) >= 0;) count++;
  return count;
}
