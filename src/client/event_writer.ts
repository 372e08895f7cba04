/** Prints what is read: the stream's own bytes, or with `--json` a line of JSON for each event. */
import { copyTogether } from "../lib/bytes.ts";
import { Buffer } from "node:buffer";
import type { Console } from "./console.ts";
import type { StreamEvent } from "./stream_reader.ts";

const NEW_LINE = new TextEncoder().encode("\n");

export class EventWriter {
  readonly #console: Console;
  readonly #json: boolean;
  /** The beginning of a character whose end is in the next piece. */
  #held = new Uint8Array(0);

  constructor(console: Console, json: boolean) {
    this.#console = console;
    this.#json = json;
  }

  /** Written out at the end of each page, so that a follower sees what there is. */
  async write(event: StreamEvent): Promise<void> {
    if (this.#json) return await this.#writeJson(event);
    switch (event.kind) {
      case "bytes":
        return await this.#console.write(event.bytes);
      case "message":
        await this.#console.write(event.bytes);
        return await this.#console.write(NEW_LINE);
      case "page":
        return await this.#console.flush();
    }
  }

  async #writeJson(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "message": {
        await this.#console.write(`{"message":`);
        await this.#console.write(event.bytes);
        return await this.#console.write("}\n");
      }
      case "bytes": {
        const whole = copyTogether([this.#held, event.bytes]);
        const end = event.text ? endOfCharacters(whole) : whole.length;
        this.#held = whole.slice(end);
        return await this.#writePiece(whole.subarray(0, end), event.text);
      }
      case "page": {
        const { nextOffset, upToDate, closed } = event;
        await this.#writePiece(this.#held, false);
        this.#held = new Uint8Array(0);
        await this.#console.write(`${JSON.stringify({ nextOffset, upToDate, closed })}\n`);
        return await this.#console.flush();
      }
    }
  }

  async #writePiece(bytes: Uint8Array, text: boolean): Promise<void> {
    if (bytes.length === 0) return;
    const decoded = text ? decode(bytes) : null;
    const line = decoded === null
      ? { base64: Buffer.from(bytes).toString("base64") }
      : { text: decoded };
    await this.#console.write(`${JSON.stringify(line)}\n`);
  }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Where the last whole UTF-8 character ends. */
function endOfCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue; // within a character
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
