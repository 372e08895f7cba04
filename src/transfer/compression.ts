/**
 * A dump's compression: blocks of up to a mebibyte, each a zstd frame behind a skippable frame that
 * says how long it is, as pzstd writes them; `zstd -d` reads the whole.
 *
 * Every block is compressed by one call, and not all of them by a stream: the streams of Deno 2.9
 * end after the first frame, and some errors of theirs end the process.
 */
import { Buffer } from "node:buffer";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { copyTogether } from "../lib/bytes.ts";
import { DumpRefused } from "./dump_format.ts";

/** A skippable frame: its magic number, the length of its content, and as content a length. */
const SKIPPABLE = 0x184d2a50;
const HEAD_BYTES = 12;
const MAGIC = 0xfd2fb528;
const BLOCK_BYTES = 1 << 20;
/** No block that we wrote is longer, compressed. */
const MAX_BLOCK_BYTES = 2 * BLOCK_BYTES;
const GZIP = 0x8b1f;

/** @param pieces of any length */
export async function* compress(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + BLOCK_BYTES - length);
      parts.push(part);
      [at, length] = [at + part.length, length + part.length];
      if (length < BLOCK_BYTES) continue;
      yield block(copyTogether(parts));
      [parts, length] = [[], 0];
    }
  }
  if (length > 0) yield block(copyTogether(parts));
}

function block(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = zstdCompressSync(plain);
  const head = new DataView(new ArrayBuffer(HEAD_BYTES));
  head.setUint32(0, SKIPPABLE, true);
  head.setUint32(4, 4, true);
  head.setUint32(8, frame.length, true);
  return copyTogether([new Uint8Array(head.buffer), frame]);
}

/** The bytes as they were, whether or not they are compressed. @throws DumpRefused */
export async function* decompress(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const input = pieces[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  const fill = async (length: number) => {
    while (held.length < length) {
      const { value, done } = await input.next();
      if (done === true) break;
      held = held.length === 0 ? Buffer.from(value) : Buffer.concat([held, value]);
    }
    return held.length >= length;
  };
  await fill(4);
  if (held.length < 4 || held.readUInt32LE(0) !== SKIPPABLE) {
    if (held.length >= 4 && held.readUInt32LE(0) === MAGIC || isGzip(held)) {
      throw new DumpRefused("the file is compressed by another program: decompress it first");
    }
    if (held.length > 0) yield held;
    for (let next = await input.next(); next.done !== true; next = await input.next()) {
      yield next.value;
    }
    return;
  }
  while (await fill(HEAD_BYTES)) {
    const length = held.readUInt32LE(8);
    if (held.readUInt32LE(0) !== SKIPPABLE || length > MAX_BLOCK_BYTES) throw altered();
    // What is left of a block that was cut off may still hold whole entries; it cannot be read.
    if (!await fill(HEAD_BYTES + length)) return;
    yield plainOf(held.subarray(HEAD_BYTES, HEAD_BYTES + length));
    held = held.subarray(HEAD_BYTES + length);
  }
}

function plainOf(frame: Uint8Array): Uint8Array {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: BLOCK_BYTES });
  } catch {
    throw altered();
  }
}

function isGzip(held: Buffer): boolean {
  return held.length >= 2 && held.readUInt16LE(0) === GZIP;
}

function altered(): DumpRefused {
  return new DumpRefused("the dump is not as it was written: a compressed block is damaged");
}
