/** Pages as SSE events: what is held back, what is said, and what is shared. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodePage, type SseFrame, SseFrames } from "../../src/http/sse_frames.ts";
import { encodeOffset } from "../../src/protocol/offset.ts";
import type { Extent, Page } from "../../src/streams/read/page_reader.ts";
import type { StreamState } from "../../src/streams/stream_state.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (frame: SseFrame) => new TextDecoder().decode(frame.bytes);

function pageOf(bytes: Uint8Array | string, parts: Partial<Page> = {}): Page {
  const held = typeof bytes === "string" ? bytesOf(bytes) : bytes;
  const start = parts.start ?? 100;
  const flags = { upToDate: true, closed: false };
  return { start, end: start + held.length, bytes: held, ...flags, ...parts };
}

const typed = (contentType: string) =>
  ({ id: 7, contentType, forkPosition: null, sources: [] as const }) as unknown as StreamState;

const token = (position: number) => encodeOffset({ position, generation: 7 });

const control = (position: number, rest = ',"streamCursor":"9","upToDate":true') =>
  `event: control\ndata:{"streamNextOffset":"${token(position)}"${rest}}\n\n`;

/** The events of a frame, of which the first has the id. */
const events = (position: number, text: string) => `id:${token(position)}\n${text}`;

Deno.test("encodePage sends text and then where to read on", () => {
  const frame = encodePage(typed("text/plain"), pageOf("a\nb"), "9");
  assert.equal(textOf(frame), events(103, `event: data\ndata:a\ndata:b\n\n${control(103)}`));
  assert.equal(frame.next, 103);
});

Deno.test("encodePage sends a control event alone when there is no data", () => {
  for (const contentType of ["text/plain", "application/json", "image/png"]) {
    const frame = encodePage(typed(contentType), pageOf(""), "9");
    assert.equal(textOf(frame), events(100, control(100)));
    assert.equal(frame.next, 100);
  }
});

Deno.test("encodePage says up to date only when the page is", () => {
  const frame = encodePage(typed("text/plain"), pageOf("a", { upToDate: false }), "9");
  const sent = `event: data\ndata:a\n\n${control(101, ',"streamCursor":"9"')}`;
  assert.equal(textOf(frame), events(101, sent));
});

Deno.test("encodePage holds back a torn character and a CR that ends the page", () => {
  const torn = bytesOf("x😀").subarray(0, 4);
  for (const [bytes, sent] of [[torn, "x"], ["x\r", "x"], ["é\r", "é"]] as const) {
    const frame = encodePage(typed("text/plain"), pageOf(bytes), "9");
    const next = 100 + bytesOf(sent).length;
    // The control event names what was sent, so that a client that comes back loses nothing.
    assert.equal(textOf(frame), events(next, `event: data\ndata:${sent}\n\n${control(next)}`));
    assert.equal(frame.next, next);
  }
});

Deno.test("encodePage sends no data event when all of it is held back", () => {
  const frame = encodePage(typed("text/plain"), pageOf(Uint8Array.of(0xf0, 0x9f)), "9");
  assert.equal(textOf(frame), events(100, control(100)));
  assert.equal(frame.next, 100);
});

Deno.test("encodePage holds nothing back at the end of a closed stream", () => {
  const closed = { closed: true };
  const end = control(102, ',"upToDate":true,"streamClosed":true');
  const frame = encodePage(typed("text/plain"), pageOf(Uint8Array.of(0x78, 0xf0), closed), "9");
  assert.equal(textOf(frame), events(102, `event: data\ndata:x\ufffd\n\n${end}`));
  assert.equal(frame.next, 102);
  const cr = encodePage(typed("text/plain"), pageOf("x\r", closed), "9");
  assert.equal(textOf(cr), events(102, `event: data\ndata:x\ndata:\n\n${end}`));
});

Deno.test("encodePage says nothing of a cursor once the stream is closed", () => {
  const frame = encodePage(typed("text/plain"), pageOf("", { closed: true }), "9");
  const end = control(100, ',"upToDate":true,"streamClosed":true');
  assert.equal(textOf(frame), events(100, end));
});

Deno.test("encodePage sends JSON messages as one array", () => {
  const frame = encodePage(
    typed("application/json; charset=utf-8"),
    pageOf('{"a":1.0}\x1e2\x1e'),
    "9",
  );
  const sent = `event: data\ndata:[{"a":1.0},2]\n\n${control(112)}`;
  assert.equal(textOf(frame), events(112, sent));
});

Deno.test("encodePage sends other bytes as base64, whatever they end in", () => {
  const frame = encodePage(typed("image/png"), pageOf(Uint8Array.of(0xff, 0x0d)), "9");
  assert.equal(textOf(frame), events(102, `event: data\ndata:/w0=\n\n${control(102)}`));
  const ndjson = encodePage(typed("application/x-ndjson"), pageOf("{}\n"), "9");
  assert.equal(textOf(ndjson), events(103, `event: data\ndata:e30K\n\n${control(103)}`));
});

Deno.test("text read on from where encodePage left off comes out as it was, however it is cut", () => {
  const text = fc.array(fc.constantFrom("a", " ", "é", "€", "😀", "\r", "\n", "\r\n")).map((
    parts,
  ) => parts.join(""));
  fc.assert(fc.property(text, fc.array(fc.integer({ min: 1, max: 5 })), (whole, cuts) => {
    const bytes = bytesOf(whole);
    let received = "";
    let position = 0;
    let tail = 0;
    for (const length of [...cuts, bytes.length]) {
      tail = Math.min(tail + length, bytes.length);
      const part = bytes.subarray(position, tail);
      const closed = tail === bytes.length;
      const frame = encodePage(typed("text/plain"), pageOf(part, { start: position, closed }), "9");
      const [, data] = /^id:.*\nevent: data\n((?:data:.*\n)+)\n/.exec(textOf(frame)) ?? [];
      // One space after the colon is the parser's.
      const lines = data?.slice(0, -1).split("\n").map((line) => line.replace(/^data: ?/, ""));
      received += lines?.join("\n") ?? "";
      position = frame.next;
      if (closed) break;
    }
    assert.equal(position, bytes.length);
    assert.equal(received, whole.replace(/\r\n|\r/g, "\n"));
  }));
});

const open = (tail: number): Extent => ({ tail, closed: false });

Deno.test("SseFrames returns what was encoded, for all at the same place", () => {
  const frames = new SseFrames();
  const shared = {};
  assert.equal(frames.get(shared, 100, open(103), "9"), null);
  const frame = frames.encode(shared, typed("text/plain"), pageOf("abc"), open(103), "9");
  assert.equal(frames.get(shared, 100, open(103), "9"), frame);
  assert.deepEqual([frame.end, frame.next, frame.last], [103, 103, false]);
});

Deno.test("SseFrames tells apart all that a frame depends on", () => {
  const frames = new SseFrames();
  const shared = {};
  frames.encode(shared, typed("text/plain"), pageOf("abc"), open(103), "9");
  assert.equal(frames.get({}, 100, open(103), "9"), null);
  assert.equal(frames.get(shared, 101, open(103), "9"), null);
  assert.equal(frames.get(shared, 100, open(104), "9"), null);
  assert.equal(frames.get(shared, 100, { tail: 103, closed: true }, "9"), null);
  assert.equal(frames.get(shared, 100, open(103), "10"), null);
});

Deno.test("SseFrames keeps four frames of a stream, 256 streams, and no large frame", () => {
  const frames = new SseFrames();
  const shared = {};
  const large = pageOf(new Uint8Array(96 << 10).fill(0x61));
  frames.encode(shared, typed("text/plain"), large, open(large.end), "9");
  assert.equal(frames.get(shared, 100, open(large.end), "9"), null);
  const at = (start: number, of = shared) =>
    frames.encode(of, typed("text/plain"), pageOf("a", { start }), open(start + 1), "9");
  const cached = (start: number, of = shared) =>
    frames.get(of, start, open(start + 1), "9") !== null;
  for (let start = 0; start < 5; start++) at(start);
  assert.deepEqual([0, 1, 2, 3, 4].map((start) => cached(start)), [
    false,
    true,
    true,
    true,
    true,
  ]);
  const others = Array.from({ length: 256 }, () => ({}));
  for (const other of others) at(1, other);
  assert.equal(cached(4), false);
  assert.ok(others.every((other) => cached(1, other)));
});
