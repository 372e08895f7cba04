/**
 * Splits the JSON arrays a server answers with into their messages, and joins messages to arrays,
 * without parsing numbers or strings: `1.0` and `12345678901234567890` stay what they are.
 */
import { copyTogether } from "../lib/bytes.ts";

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

export class JsonMessages {
  /** 0 before the array, 1 between its brackets, more within a message. */
  #depth = 0;
  #ended = false;
  #inString = false;
  #escaped = false;
  #partial: Uint8Array[] = [];

  /**
   * @returns the messages that are complete with these bytes, each as one line: line feeds can
   * stand only between tokens, where a space means the same
   * @throws Error when the bytes are no array
   */
  push(bytes: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (this.#depth === 0) {
        if (isSpace(byte)) continue;
        if (byte !== OPEN_ARRAY || this.#ended) throw new Error("the answer is no JSON array");
        this.#depth = 1;
        start = at + 1;
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        this.#depth++;
      } else if (byte === CLOSE_OBJECT || (byte === CLOSE_ARRAY && this.#depth > 1)) {
        this.#depth--;
      } else if (this.#depth === 1 && (byte === COMMA || byte === CLOSE_ARRAY)) {
        const message = this.#finish(bytes.subarray(start, at));
        if (message.length > 0) messages.push(message);
        start = at + 1;
        if (byte === CLOSE_ARRAY) [this.#depth, this.#ended] = [0, true];
      }
    }
    if (this.#depth > 0) this.#partial.push(bytes.slice(start));
    return messages;
  }

  /** Whether the whole array has come, or nothing at all. */
  get complete(): boolean {
    return this.#depth === 0;
  }

  #finish(last: Uint8Array): Uint8Array {
    const whole = copyTogether([...this.#partial, last]);
    this.#partial = [];
    let [from, to] = [0, whole.length];
    while (from < to && isSpace(whole[from]!)) from++;
    while (to > from && isSpace(whole[to - 1]!)) to--;
    const message = whole.subarray(from, to);
    for (let at = 0; at < message.length; at++) {
      if (message[at] === 0x0a || message[at] === 0x0d) message[at] = 0x20;
    }
    return message;
  }
}

/** An array of these messages, as a body that appends them. */
export function jsonArrayOf(messages: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [open, comma, close] = [OPEN_ARRAY, COMMA, CLOSE_ARRAY].map((byte) => Uint8Array.of(byte!));
  const parts = messages.flatMap((message, at) => at === 0 ? [message] : [comma!, message]);
  return copyTogether([open!, ...parts, close!]);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
