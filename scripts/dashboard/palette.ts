/**
 * A screenshot with a palette: a third of its bytes, which everyone that clones the repository loads. Takes
 * what Chromium writes (8 bits of red, green and blue, not interlaced) and drops the lowest bits of each
 * until 256 colours are enough.
 */
import { Buffer } from "node:buffer";
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE_BYTES = 8;
const CHANNELS = 3;
const COLORS = 256;

export function withPalette(png: Uint8Array): Uint8Array {
  const { width, height, data } = chunksOf(Buffer.from(png));
  const pixels = unfiltered(inflateSync(data), { width, height });
  for (let dropped = 2; dropped < 8; dropped++) {
    const { palette, indices } = indexed(pixels, dropped);
    if (palette.length > COLORS) continue;
    const rows = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height; y++) {
      rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
    }
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    return Buffer.concat([
      png.subarray(0, SIGNATURE_BYTES),
      chunk("IHDR", header),
      chunk(
        "PLTE",
        Buffer.from(palette.flatMap((color) => [color >> 16, color >> 8 & 255, color & 255])),
      ),
      chunk("IDAT", deflateSync(rows, { level: 9 })),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  }
  throw new Error("no palette is small enough");
}

function chunksOf(png: Buffer): { width: number; height: number; data: Buffer } {
  const data: Buffer[] = [];
  let width = 0;
  let height = 0;
  for (let at = SIGNATURE_BYTES; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    at += length + 12;
    if (type === "IDAT") data.push(body);
    if (type !== "IHDR") continue;
    width = body.readUInt32BE(0);
    height = body.readUInt32BE(4);
    if (body[8] !== 8 || body[9] !== 2 || body[12] !== 0) throw new Error("not 8 bits of RGB");
  }
  return { width, height, data: Buffer.concat(data) };
}

/** Each row begins with the filter by which its bytes are told from those left of and above them. */
function unfiltered(
  rows: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
): Uint8Array {
  const length = width * CHANNELS;
  const pixels = new Uint8Array(length * height);
  for (let y = 0; y < height; y++) {
    const from = y * (length + 1);
    const filter = rows[from]!;
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x < CHANNELS ? 0 : pixels[at - CHANNELS]!;
      const above = y === 0 ? 0 : pixels[at - length]!;
      const corner = x < CHANNELS || y === 0 ? 0 : pixels[at - length - CHANNELS]!;
      const guesses = [0, left, above, left + above >> 1, nearest(left, above, corner)];
      pixels[at] = rows[from + 1 + x]! + guesses[filter]!;
    }
  }
  return pixels;
}

/** The one that is nearest to what the three make a slope of (Paeth's filter). */
function nearest(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [byLeft, byAbove, byCorner] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (byLeft! <= byAbove! && byLeft! <= byCorner!) return left;
  return byAbove! <= byCorner! ? above : corner;
}

function indexed(pixels: Uint8Array, dropped: number): { palette: number[]; indices: Uint8Array } {
  const half = 1 << dropped - 1;
  // White stays white, and black black.
  const round = (value: number) => value >= 256 - half ? 255 : value + half >> dropped << dropped;
  const places = new Map<number, number>();
  const indices = new Uint8Array(pixels.length / CHANNELS);
  for (let n = 0; n < indices.length; n++) {
    const at = n * CHANNELS;
    const color = round(pixels[at]!) << 16 | round(pixels[at + 1]!) << 8 | round(pixels[at + 2]!);
    let place = places.get(color);
    if (place === undefined) places.set(color, place = places.size);
    indices[n] = place;
  }
  return { palette: [...places.keys()], indices };
}

function chunk(type: string, body: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), body]);
  const whole = Buffer.alloc(named.length + 8);
  whole.writeUInt32BE(body.length, 0);
  whole.set(named, 4);
  whole.writeUInt32BE(crc32(named), named.length + 4);
  return whole;
}
