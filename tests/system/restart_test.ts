/** kill -9 in a storm of writes: what was acked is there, whole, once and in order. */
import { copyTogether } from "../../src/lib/bytes.ts";
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { elapse, freePort, KINDS, noise, within, withStorage } from "./support.ts";

const KILLS = 3;
const ACKS_BETWEEN_KILLS = 120;
const PRODUCERS = ["p0", "p1", "p2", "p3"];
const PIPELINED = 4;
const PLAIN_WRITERS = 4;
const BINARY = { contentType: "application/octet-stream" };

/** length, checksum, `writer number`, and ballast that differs. */
function frame(writer: string, number: number): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(`${writer} ${number} `);
  const content = copyTogether([
    name,
    noise(number % 11 === 0 ? 20_000 : number % 300, number + 1),
  ]);
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, content.length);
  head.setUint32(4, crc32(content));
  return copyTogether([new Uint8Array(head.buffer), content]);
}

interface Frame {
  readonly writer: string;
  readonly number: number;
  /** Its place in the stream. */
  readonly end: number;
}

function parseFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    assert.ok(at + 8 <= bytes.length, `a torn head at ${at}`);
    const content = bytes.subarray(at + 8, at + 8 + view.getUint32(at));
    assert.equal(crc32(content), view.getUint32(at + 4), `a torn frame at ${at}`);
    const [writer, number] = new TextDecoder("latin1").decode(content.subarray(0, 40)).split(" ");
    at += 8 + content.length;
    frames.push({ writer: writer!, number: Number(number), end: at });
  }
  return frames;
}

/** The server, its deaths, and everything that was written to it. */
class Storm {
  readonly acked: { writer: string; number: number; offset: string }[] = [];
  readonly sent = new Map<string, number>();
  over = false;
  url = "";
  #server: RunningServer | undefined;
  #up = Promise.withResolvers<void>();
  #enough = Promise.withResolvers<void>();
  #killAt = ACKS_BETWEEN_KILLS;

  constructor(readonly start: () => Promise<RunningServer>) {}

  async begin(): Promise<void> {
    this.#server = await this.start();
    this.#up.resolve();
    this.url = await createStream(this.#server.url, "storm", BINARY);
  }

  async run(): Promise<void> {
    const writers = Promise.all([
      ...PRODUCERS.map((name) => this.#producer(name)),
      ...Array.from({ length: PLAIN_WRITERS }, (_, at) => this.#plain(`w${at}`)),
    ]);
    // A writer that gives up ends the test now, and not when its acks are missed.
    const acks = () => Promise.race([this.#enough.promise, writers]);
    for (let kills = 0; kills < KILLS; kills++) {
      await within(30_000, `${ACKS_BETWEEN_KILLS} acks`, acks());
      this.#up = Promise.withResolvers();
      await this.#server!.kill();
      this.#enough = Promise.withResolvers();
      this.#killAt = this.acked.length + ACKS_BETWEEN_KILLS + kills * 17;
      this.#server = await this.start();
      this.#up.resolve();
    }
    await within(30_000, "acks after the last kill", acks());
    this.over = true;
    await within(30_000, "the writers' ends", writers);
  }

  end(): Promise<void> {
    this.over = true;
    this.#up.resolve();
    return this.#server?.kill() ?? Promise.resolve();
  }

  /** Whatever is not acked is sent again, with the same sequence number. */
  async #producer(name: string): Promise<void> {
    let next = 0;
    const lane = async () => {
      while (!this.over) {
        const number = next++;
        this.sent.set(name, next);
        const headers = {
          "producer-id": name,
          "producer-epoch": "0",
          "producer-seq": String(number),
        };
        while (!await this.#post(name, number, headers));
      }
    };
    await Promise.all(Array.from({ length: PIPELINED }, lane));
  }

  /** What is not acked may or may not be there; it is not sent again. */
  async #plain(name: string): Promise<void> {
    for (let number = 0; !this.over; number++) {
      this.sent.set(name, number + 1);
      await this.#post(name, number, {});
    }
  }

  async #post(writer: string, number: number, headers: Record<string, string>): Promise<boolean> {
    await this.#up.promise;
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "content-type": BINARY.contentType, ...headers },
        body: frame(writer, number),
        signal: AbortSignal.timeout(10_000),
      });
      const text = await response.text();
      if (response.ok) {
        const offset = response.headers.get("stream-next-offset")!;
        // A duplicate answers the tail of now, which says nothing about where it is.
        const isNew = response.status === 200 || headers["producer-id"] === undefined;
        this.acked.push({ writer, number, offset: isNew ? offset : "" });
        if (this.acked.length >= this.#killAt) this.#enough.resolve();
        return true;
      }
      // A gap: what is missing was under way when the server died, and is coming.
      assert.ok(response.status === 409 || response.status === 503, `${response.status} ${text}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      await elapse(10, "between two attempts at a server that is gone");
    }
    return false;
  }
}

function judge(storm: Storm, frames: readonly Frame[]): void {
  const ends = new Map<string, number>();
  for (const { writer, number, end } of frames) {
    const key = `${writer} ${number}`;
    assert.ok(!ends.has(key), `${key} is there twice`);
    ends.set(key, end);
  }
  for (const { writer, number } of storm.acked) {
    assert.ok(ends.has(`${writer} ${number}`), `${writer} ${number} was acked, and is not there`);
  }
  for (const name of PRODUCERS) {
    const numbers = frames.filter(({ writer }) => writer === name).map(({ number }) => number);
    assert.deepEqual(numbers, Array.from({ length: storm.sent.get(name)! }, (_, at) => at), name);
  }
  for (const { writer, number } of frames) assert.ok(number < storm.sent.get(writer)!);
  // Offsets are opaque, but their order is the order of what they were given for.
  const placed = storm.acked.filter(({ offset }) => offset !== "")
    .map(({ writer, number, offset }) => ({ offset, end: ends.get(`${writer} ${number}`)! }))
    .sort((a, b) => a.end - b.end);
  placed.forEach(({ offset }, at) => at > 0 && assert.ok(placed[at - 1]!.offset < offset));
}

for (const kind of KINDS) {
  Deno.test(`${kind}: kill -9 ${KILLS} times in a storm of writes loses and doubles nothing`, async () => {
    await withStorage(kind, async (database) => {
      const args = ["--port", String(await freePort())];
      const storm = new Storm(() => startServer({ database, args }));
      try {
        await storm.begin();
        await storm.run();
        const { bytes } = await readAll(storm.url);
        judge(storm, parseFrames(bytes));
        // And as the next process finds it, with nothing in memory.
        await storm.end();
        const server = await startServer({ database, args });
        const again = await readAll(storm.url).finally(() => server.kill());
        assert.ok(again.bytes.length === bytes.length && crc32(again.bytes) === crc32(bytes));
      } finally {
        await storm.end();
      }
    });
  });
}
