/** What the probes of npm packages share: the steps they report, and waiting. */
import assert from "node:assert/strict";
import process from "node:process";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The URL below which streams lie, without a slash at the end. */
export const base: string = process.argv[2]!;

export function report(step: string): void {
  console.log(JSON.stringify({ step }));
}

/** Returns once the server was killed and listens again. */
export async function killServer(): Promise<void> {
  report("kill-me");
  assert.equal((await lines.next()).value, "restarted");
}

/** Something that arrives piece by piece, and a way to wait until all of it has. */
export class Arrivals<T> {
  readonly items: T[] = [];
  #added = Promise.withResolvers<void>();

  add(items: readonly T[]): void {
    this.items.push(...items);
    this.#added.resolve();
    this.#added = Promise.withResolvers();
  }

  /** Also fails when what arrived is not what was expected. */
  async become(expected: readonly T[]): Promise<void> {
    const limit = AbortSignal.timeout(20_000);
    const late = new Promise<never>((_, reject) => {
      limit.onabort = () => reject(new Error(`arrived: ${JSON.stringify(this.items)}`));
    });
    late.catch(() => {});
    while (this.items.length < expected.length) await Promise.race([this.#added.promise, late]);
    assert.deepEqual(this.items, expected);
  }
}
