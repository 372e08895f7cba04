/** What an application makes of the official client: it tries again, and goes on where it was. */
import { stream } from "@durable-streams/client";
import { elapse, within } from "../support/waits.ts";

const QUICK = { initialDelay: 20, maxDelay: 200, multiplier: 1.5, maxRetries: 1000 };

export interface Message {
  readonly n: number;
}

export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => ({ n: from + at }));

/** What a following client has received, and a way to wait for more. */
export class Received {
  readonly items: Message[] = [];
  #wanted = 0;
  #reached = Promise.withResolvers<void>();

  add(items: readonly Message[]): void {
    this.items.push(...items);
    if (this.items.length >= this.#wanted) this.#reached.resolve();
  }

  async reaches(count: number): Promise<void> {
    this.#wanted = count;
    this.#reached = Promise.withResolvers();
    if (this.items.length >= count) return;
    await within(30_000, `${count} messages (now ${this.items.length})`, this.#reached.promise);
  }
}

/**
 * Tries again when there is no answer. Not the client's own back-off: that one throws on 4xx, and
 * the producer never sees the 409 it knows how to mend.
 */
export async function fetchUntilAnswered(...request: Parameters<typeof fetch>): Promise<Response> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      const response = await fetch(...request);
      if (response.status !== 503) return response;
      await response.body?.cancel();
    } catch {
      // The server is gone.
    }
    await elapse(20, "between two attempts");
  }
  throw new Error("no answer");
}

/** As an application does: when the connection breaks, again from the last offset. */
export async function followThroughErrors(
  url: string,
  live: "long-poll" | "sse",
  received: Received,
): Promise<void> {
  let offset = "-1";
  for (let tries = 0; tries < 20; tries++) {
    const response = await stream<Message>({ url, offset, live, backoffOptions: QUICK });
    response.subscribeJson((batch) => {
      received.add(batch.items);
      offset = batch.offset;
    });
    try {
      return await response.closed;
    } catch {
      // The server is gone; `stream` itself waits for it to come back.
    }
  }
  throw new Error("the connection broke twenty times");
}
