/** `CopyTap`: what COPY sends goes to its sink, and postgres.js gets every other byte in order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CopyTap } from "../../../../src/storage/postgres/driver/copy_tap.ts";

interface Message {
  readonly kind: "H" | "d" | "c" | "E" | "Z";
  readonly body: Uint8Array;
}

function written({ kind, body }: Message): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = kind.charCodeAt(0);
  new DataView(bytes.buffer).setInt32(1, 4 + body.length);
  bytes.set(body, 5);
  return bytes;
}

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** What becomes of messages that a connection receives in reads of such sizes. */
function receive(messages: readonly Message[], reads: readonly number[]) {
  const received = joined(messages.map(written));
  const passed: Uint8Array[] = [];
  const copied = new Uint8Array(received.length);
  let filled = 0;
  let inPlace = 0;
  const sink = {
    room: () => copied.subarray(filled),
    add: (chunk: Uint8Array) => {
      if (chunk.buffer === copied.buffer) {
        assert.equal(chunk.byteOffset, filled);
        inPlace += chunk.length;
      } else {
        copied.set(chunk, filled);
      }
      filled += chunk.length;
    },
  };
  const announced = messages.findIndex(({ kind }) => kind === "H") + 1;
  const upToAnnouncement = joined(messages.slice(0, announced).map(written)).length;
  let passedBytes = 0;
  const tap: CopyTap = new CopyTap((chunk) => {
    assert.equal(CopyTap.current, tap);
    passed.push(chunk.slice());
    const before = passedBytes;
    passedBytes += chunk.length;
    // postgres.js says that there is a COPY while it is given the message that announces it.
    if (before < upToAnnouncement && passedBytes >= upToAnnouncement) tap.copyTo(sink);
  });
  let turn = 0;
  for (let at = 0; at < received.length;) {
    const buffer = tap.buffer();
    const read = Math.min(buffer.length, reads[turn++ % reads.length]!, received.length - at);
    buffer.set(received.subarray(at, at + read));
    tap.take(buffer.subarray(0, read));
    at += read;
  }
  assert.equal(CopyTap.current, null);
  return { passed: joined(passed), copied: copied.slice(0, filled), inPlace };
}

const bodies = (most: number) =>
  fc.tuple(fc.integer({ min: 0, max: most }), fc.integer({ min: 0, max: 255 })).map(
    ([length, seed]) => Uint8Array.from({ length }, (_, at) => (at * 31 + seed) & 255),
  );
const ordinary = fc.array(fc.record({ kind: fc.constant("Z" as const), body: bodies(40) }), {
  maxLength: 4,
});

Deno.test("the data of a COPY goes to its sink, and all else is passed on, however it is chunked", () => {
  fc.assert(fc.property(
    ordinary,
    fc.array(bodies(100_000), { maxLength: 5 }),
    fc.constantFrom("c" as const, "E" as const),
    ordinary,
    fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1 << 17 })), {
      minLength: 1,
      maxLength: 8,
    }),
    (before, data, end, after, reads) => {
      const copied = data.map((body): Message => ({ kind: "d", body }));
      const head: Message[] = [...before, { kind: "H", body: Uint8Array.of(1, 0, 0) }];
      // Data after the end belongs to nobody here: it is passed on.
      const late: Message = { kind: "d", body: Uint8Array.of(7) };
      const tail: Message[] = [{ kind: end, body: new Uint8Array(0) }, late, ...after];
      const result = receive([...head, ...copied, ...tail], reads);
      assert.deepEqual(result.copied, joined(data));
      assert.deepEqual(result.passed, joined([...head, ...tail].map(written)));
    },
  ));
});

Deno.test("most of a large row is received directly into the sink's buffer", () => {
  const body = new Uint8Array(1 << 20).map((_, at) => at * 31 >>> 3);
  const messages: Message[] = [
    { kind: "H", body: Uint8Array.of(1, 0, 0) },
    { kind: "d", body },
    { kind: "c", body: new Uint8Array(0) },
  ];
  const { copied, inPlace } = receive(messages, [1 << 22]);
  assert.deepEqual(copied, body);
  assert.ok(inPlace >= body.length - (64 << 10), `${inPlace} bytes`);
});

Deno.test("the error that ends a session is not passed to postgres.js, and other errors are", () => {
  const error = (severity: string): Message => ({
    kind: "E",
    body: new TextEncoder().encode(`S${severity}\0V${severity}\0C57P01\0Mwords\0\0`),
  });
  const ready: Message = { kind: "Z", body: Uint8Array.of(73) };
  const passedOn = (messages: readonly Message[], read: number) =>
    receive(messages, [read]).passed.length;
  const lengthOf = (messages: readonly Message[]) => joined(messages.map(written)).length;
  for (const read of [1, 3, 7, 1000]) {
    const refused = [error("FATAL")];
    assert.equal(passedOn(refused, read), lengthOf(refused), "no session has begun");
    const failed = [ready, error("ERROR"), ready];
    assert.equal(passedOn(failed, read), lengthOf(failed));
    assert.equal(passedOn([ready, error("FATAL")], read), lengthOf([ready]));
  }
});
