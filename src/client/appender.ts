/**
 * Appends what comes, in order, in batches: while one append is under way, what comes next waits
 * and then leaves together. An idle pipe's line leaves at once, and a fast one in large appends.
 */
import { copyTogether } from "../lib/bytes.ts";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Answer, Connection } from "./connection.ts";
import { usageError } from "./exit_codes.ts";
import type { InputPiece } from "./input_messages.ts";
import { jsonArrayOf } from "./json_messages.ts";
import type { Producer } from "./producer.ts";

const LARGEST_BATCH_BYTES = 1 << 20;
/** Bytes that may wait to be sent. A caller that adds more is suspended until there is room. */
const LARGEST_WAITING_BYTES = 2 << 20;

export interface AppenderOptions {
  readonly connection: Connection;
  readonly url: URL;
  readonly contentType: string;
  /** Null: appends are plain, and not repeated once they may have reached the server. */
  readonly producer: Producer | null;
  /** Pieces are JSON messages, sent as an array. */
  readonly json: boolean;
  /** Further headers of every append. */
  readonly headers: Readonly<Record<string, string>>;
  onAppended?(messages: number, bytes: number): void;
}

export class Appender {
  readonly #options: AppenderOptions;
  #waiting: InputPiece[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | null = null;
  #room = Promise.withResolvers<void>();
  #nextOffset: string | null = null;
  readonly #failed = Promise.withResolvers<never>();

  constructor(options: AppenderOptions) {
    this.#options = options;
    // Without a handler a failure that nothing awaits yet would end the process.
    this.#failed.promise.catch(() => {});
  }

  /** Rejects when an append fails for good, however quiet the input is then. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Where the stream ended after the last append. */
  get nextOffset(): string | null {
    return this.#nextOffset;
  }

  /** Resolves when there is room for more. */
  async add(piece: InputPiece): Promise<void> {
    this.#waiting.push(piece);
    this.#waitingBytes += piece.bytes.length;
    this.#sending ??= this.#sendAll();
    while (this.#waitingBytes >= LARGEST_WAITING_BYTES) {
      await Promise.race([this.#room.promise, this.failed]);
    }
  }

  /** Resolves when all that was added is in the stream. */
  async flush(): Promise<void> {
    await Promise.race([this.#sending ?? Promise.resolve(), this.failed]);
  }

  /** Closes the stream, behind everything that was added. */
  async close(): Promise<void> {
    await this.flush();
    const { connection, url, producer } = this.#options;
    const headers = { "stream-closed": "true" };
    const body = new Uint8Array(0);
    const answer = producer === null
      ? await connection.send({ method: "POST", url, headers, body })
      : await producer.append({ url, headers, body });
    await answer.discard();
    this.#remember(answer);
  }

  async #sendAll(): Promise<void> {
    try {
      await nextTurn(); // lines of one read travel together
      while (this.#waiting.length > 0) {
        await this.#send(this.#takeBatch());
        this.#room.resolve();
        this.#room = Promise.withResolvers();
      }
      this.#sending = null;
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  #takeBatch(): InputPiece[] {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#waiting) {
      if (count > 0 && bytes + piece.bytes.length > LARGEST_BATCH_BYTES) break;
      bytes += piece.bytes.length;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly InputPiece[]): Promise<void> {
    const { connection, url, contentType, producer } = this.#options;
    const headers = { ...this.#options.headers, "content-type": contentType };
    const append = { url, body: this.#bodyOf(batch), headers };
    const answer = producer === null
      ? await connection.send({
        ...append,
        method: "POST",
        expected: [413],
        repeatable: false,
      })
      : await producer.append(append);
    await answer.discard();
    if (answer.status === 413) {
      if (batch.length === 1) throw usageError("a message is larger than the server takes");
      const half = batch.length >> 1;
      await this.#send(batch.slice(0, half));
      return await this.#send(batch.slice(half));
    }
    this.#remember(answer);
    connection.progressed();
    const messages = batch.reduce((sum, piece) => sum + piece.messages, 0);
    this.#options.onAppended?.(messages, append.body.length);
  }

  #remember({ headers }: Answer): void {
    this.#nextOffset = headers.get("stream-next-offset") ?? this.#nextOffset;
  }

  #bodyOf(batch: readonly InputPiece[]): Uint8Array<ArrayBuffer> {
    const messages = batch.map(({ bytes }) => bytes);
    return this.#options.json ? jsonArrayOf(messages) : copyTogether(messages);
  }
}
