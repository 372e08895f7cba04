/** Streams that stand through it all: what is in them tells whether anything was half-written. */
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { LARGE, LARGE_BYTES, PIPELINED, SMUGGLED, UNTOUCHED } from "./abuse.ts";
import { WAKES } from "./subjects.ts";

export class Sentinel {
  readonly #base: string;
  #expected = "";
  #offset = "";

  private constructor(base: string) {
    this.#base = base;
  }

  static async create(base: string): Promise<Sentinel> {
    const sentinel = new Sentinel(base);
    await createStream(base, "sentinel");
    await createStream(base, nameOf(UNTOUCHED), { body: "intact" });
    await createStream(base, nameOf(PIPELINED));
    await createStream(base, nameOf(LARGE), { body: "x".repeat(LARGE_BYTES) });
    await createStream(base, WAKES, { contentType: "application/json" });
    return sentinel;
  }

  /** Appends, reads everything back, and looks at the streams that abuses were aimed at. */
  async check(): Promise<void> {
    const url = `${this.#base}/v1/stream/sentinel`;
    const text = `${this.#expected.length} is where this begins;`;
    this.#offset = await append(url, text);
    this.#expected += text;
    const read = await readAll(url);
    assert.equal(read.text, this.#expected, "the sentinel's bytes");
    assert.equal(read.nextOffset, this.#offset, "the sentinel's tail");

    const untouched = await readAll(this.#base + UNTOUCHED);
    assert.equal(untouched.text.slice(0, 200), "intact", "what nobody appended to whole");
    assert.equal(untouched.closed, false);
    const pipelined = await readAll(this.#base + PIPELINED);
    assert.match(pipelined.text, /^(whole;)*$/, "a piece of an append");
    assert.equal((await readAll(this.#base + LARGE)).bytes.length, LARGE_BYTES);
    const smuggled = await fetch(this.#base + SMUGGLED);
    await smuggled.body?.cancel();
    assert.equal(smuggled.status, 404, "a request hidden in a body was carried out");
    const health = await fetch(`${this.#base}/ready`);
    assert.equal(await health.text(), '{"status":"ready"}');
  }
}

function nameOf(path: string): string {
  return path.slice("/v1/stream/".length);
}
