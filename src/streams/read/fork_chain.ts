/** Finds the streams that hold a fork's bytes: its first bytes are its source's, and so on. */
import { LRUCache } from "lru-cache";
import { REMEMBERED } from "../../limits.ts";
import type { Offset } from "../../protocol/offset.ts";
import { type Database, numberArray } from "../../storage/database.ts";

/** `[start, stop)` lies in the segments of stream `id`. */
export interface ForkChainSegment {
  readonly id: number;
  readonly start: number;
  readonly stop: number;
}

/** A stream that another was forked from, directly or through others. */
export interface Ancestor {
  readonly id: number;
  /** The first position in its own segments; those below are its source's. */
  readonly from: number;
}

/** The part of a stream's state that says where its bytes are. */
export interface Forked {
  readonly id: number;
  /** The first position of its own; null for a stream that is no fork. */
  readonly forkPosition: number | null;
  /** Nearest first. */
  readonly sources: readonly Ancestor[];
}

const CHAINS = `select f.id as fork_id, c.id, c.fork_position
  from unnest($1::bigint[]) as f(id)
  cross join lateral penstock.fork_chain(f.id) with ordinality
    as c(id, source_id, fork_position, nearness)
  order by f.id, c.nearness`;

interface ChainRow {
  fork_id: number;
  id: number;
  fork_position: number | null;
}

/** The sources of forks. */
export class ForkChains {
  readonly #database: Database;
  /** A stream's chain never changes, so it is loaded once. */
  readonly #sources = new LRUCache<number, readonly Ancestor[]>({ max: REMEMBERED.forkChains });

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The sources of each of these forks, nearest first. A fork that has been reaped meanwhile has
   * none.
   */
  async load(forks: readonly number[]): Promise<ReadonlyMap<number, readonly Ancestor[]>> {
    const loaded = new Map<number, readonly Ancestor[]>();
    const unknown: number[] = [];
    for (const id of forks) {
      const sources = this.#sources.get(id);
      if (sources === undefined) unknown.push(id);
      else loaded.set(id, sources);
    }
    if (unknown.length === 0) return loaded;
    const rows = await this.#database.hedged<ChainRow>(CHAINS, [numberArray(unknown)]);
    for (const [id, chain] of Map.groupBy(rows, (row) => row.fork_id)) {
      const sources = chain.slice(1).map((row) => ({ id: row.id, from: row.fork_position ?? 0 }));
      // A chain ends at a stream that is no fork, unless some of it has been reaped by now.
      if (chain.at(-1)!.fork_position !== null) continue;
      this.#sources.set(id, sources);
      loaded.set(id, sources);
    }
    return loaded;
  }

  invalidate(): void {
    this.#sources.clear();
  }
}

/** The segments that make up `[start, stop)` of `stream`, in ascending order. */
export function chainSegments(stream: Forked, start: number, stop: number): ForkChainSegment[] {
  const { id, forkPosition, sources } = stream;
  if (forkPosition === null || start >= forkPosition) return [{ id, start, stop }];
  return split([{ id, from: forkPosition }, ...sources], start, stop);
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

/** The offset of a stream at a position. */
export function offsetAt(stream: Forked, position: number): Offset {
  return { position, generation: generationAt(stream, position) };
}

/** Whether an offset was given for this stream, or for one that it has the bytes up to there from. */
export function isOffsetOf(stream: Forked, { position, generation }: Offset): boolean {
  return generationAt(stream, position) === generation;
}

/** The generation of an offset at `position`: the id of the stream that stored the byte before it. */
export function generationAt(stream: Forked, position: number): number {
  if (position === 0) return 0;
  const { id, forkPosition, sources } = stream;
  if (forkPosition === null || position > forkPosition) return id;
  return sources.find(({ from }) => position > from)?.id ?? id;
}
