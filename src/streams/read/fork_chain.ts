/** Finds the streams that hold a fork's bytes: its first bytes are its source's, and so on. */
import { LRUCache } from "lru-cache";
import { REMEMBERED } from "../../limits.ts";
import type { Database } from "../../storage/database.ts";
import type { StreamState } from "../stream_state.ts";

/** `[start, stop)` lies in the segments of stream `id`. */
export interface ForkChainSegment {
  readonly id: number;
  readonly start: number;
  readonly stop: number;
}

interface Ancestor {
  readonly id: number;
  /** The first position in its own segments; those below are its source's. */
  readonly from: number;
}

export class ForkChains {
  readonly #database: Database;
  /** A stream's chain never changes, so it is loaded once. */
  readonly #chains = new LRUCache<number, readonly Ancestor[]>({ max: REMEMBERED.forkChains });

  constructor(database: Database) {
    this.#database = database;
  }

  /** The segments that make up `[start, stop)` of `stream`, in ascending order. */
  async segments(stream: StreamState, start: number, stop: number): Promise<ForkChainSegment[]> {
    if (stream.sourceId === null || start >= stream.forkPosition!) {
      return [{ id: stream.id, start, stop }];
    }
    return split(await this.#chain(stream.id), start, stop);
  }

  invalidate(): void {
    this.#chains.clear();
  }

  async #chain(id: number): Promise<readonly Ancestor[]> {
    const cached = this.#chains.get(id);
    if (cached !== undefined) return cached;
    const rows = await this.#database.hedged<{ id: number; fork_position: number | null }>(
      "select id, fork_position from penstock.fork_chain($1)",
      [id],
    );
    const chain = rows.map((row) => ({ id: row.id, from: row.fork_position ?? 0 }));
    this.#chains.set(id, chain);
    return chain;
  }
}

/** Splits `[start, stop)` along a chain that is given nearest first. */
export function split(chain: readonly Ancestor[], start: number, stop: number): ForkChainSegment[] {
  const segments: ForkChainSegment[] = [];
  let upper = stop;
  for (const { id, from } of chain) {
    // A fork of a fork may begin before its source's own fork position. It then has no bytes from
    // that source itself.
    const lower = Math.max(from, start);
    if (lower < upper) {
      segments.unshift({ id, start: lower, stop: upper });
      upper = lower;
    }
    if (upper <= start) break;
  }
  return segments;
}
