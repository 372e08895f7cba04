/** Which stream holds which bytes: a fork's first ones are its source's, and so on up the chain. */
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
  /** The first position of its own; below are its source's. */
  readonly from: number;
}

const MOST_LINEAGES = 20_000;

export class ForkChains {
  readonly #database: Database;
  /** A stream's chain never changes, so it is asked for once. */
  readonly #chains = new Map<number, readonly Ancestor[]>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** The pieces that make up `[start, stop)` of `stream`, in ascending order. */
  async pieces(stream: StreamState, start: number, stop: number): Promise<ForkChainSegment[]> {
    if (stream.sourceId === null || start >= stream.forkPosition!) {
      return [{ id: stream.id, start, stop }];
    }
    return cut(await this.#chain(stream.id), start, stop);
  }

  forget(): void {
    this.#chains.clear();
  }

  async #chain(id: number): Promise<readonly Ancestor[]> {
    const known = this.#chains.get(id);
    if (known !== undefined) return known;
    const rows = await this.#database.hedged<{ id: number; fork_position: number | null }>(
      "select id, fork_position from penstock.fork_chain($1)",
      [id],
    );
    const chain = rows.map((row) => ({ id: row.id, from: row.fork_position ?? 0 }));
    if (this.#chains.size >= MOST_LINEAGES) this.#chains.clear();
    this.#chains.set(id, chain);
    return chain;
  }
}

/** Cuts `[start, stop)` along a chain given nearest first. */
export function cut(chain: readonly Ancestor[], start: number, stop: number): ForkChainSegment[] {
  const pieces: ForkChainSegment[] = [];
  let upper = stop;
  for (const { id, from } of chain) {
    // A fork of a fork may lie before its source's own fork position: that source gives nothing.
    const lower = Math.max(from, start);
    if (lower < upper) {
      pieces.unshift({ id, start: lower, stop: upper });
      upper = lower;
    }
    if (upper <= start) break;
  }
  return pieces;
}
