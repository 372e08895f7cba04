/**
 * A bounded cache of streams' bytes. The bytes at a position of a stream id never change, and ids
 * are never used twice, so a cached byte can be evicted, but is never stale.
 */
import { concatenate } from "../../lib/bytes.ts";
import { type LruLinks, LruList } from "../../lib/lru_list.ts";

/**
 * The length at which a run is full and a new one begins, so that eviction has small steps. Bytes.
 */
const MAX_RUN_BYTES = 1 << 20;
const MIN_RUN_BYTES = 1 << 10;

/** `[start, start + length)` of one stream, in a buffer with room to grow. */
interface Run extends LruLinks<Run> {
  readonly stream: StreamRuns;
  readonly start: number;
  length: number;
  buffer: Uint8Array;
}

interface StreamRuns {
  readonly id: number;
  /** Ascending, not overlapping. */
  readonly runs: Run[];
}

/** Counts references to buffers. The cache retains a reference to each buffer in it. */
export interface BufferReferences {
  retain(buffer: Uint8Array): void;
  release(buffer: Uint8Array): void;
}

export class SegmentCache {
  readonly #streams = new Map<number, StreamRuns>();
  readonly #used = new LruList<Run>();
  readonly #capacity: number;
  readonly #references: BufferReferences | undefined;
  #size = 0;

  /** @param capacity the most bytes to cache */
  constructor(capacity: number, references?: BufferReferences) {
    this.#capacity = capacity;
    this.#references = references;
  }

  /** Bytes in use, including the unused room of buffers. */
  get size(): number {
    return this.#size;
  }

  /** Inserts a copy of bytes that are committed at `position`. */
  insert(id: number, position: number, bytes: Uint8Array): void {
    this.#insert(id, position, bytes, true);
  }

  /**
   * Inserts the bytes themselves: they must not be written to afterwards, and their buffer must not
   * be much larger than they are, because the cache keeps all of it.
   */
  insertWithoutCopy(id: number, position: number, bytes: Uint8Array): void {
    this.#insert(id, position, bytes, false);
  }

  #insert(id: number, position: number, bytes: Uint8Array, copies: boolean): void {
    if (bytes.length === 0 || bytes.length > this.#capacity / 3) return;
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = { id, runs: [] };
      this.#streams.set(id, stream);
    }
    const at = lastStartingBy(stream.runs, position);
    const before = stream.runs[at];
    const end = position + bytes.length;
    if (before !== undefined) {
      const reach = before.start + before.length;
      if (reach >= end) return;
      // Overlap is possible when two readers loaded the same range: only the new part is inserted.
      if (reach > position) {
        return this.#insert(id, reach, bytes.subarray(reach - position), true);
      }
    }
    const after = stream.runs[at + 1];
    if (after !== undefined && after.start < end) {
      copies = true;
      bytes = bytes.subarray(0, after.start - position);
      if (bytes.length === 0) return;
    }
    if (
      before !== undefined && before.start + before.length === position &&
      before.length + bytes.length <= MAX_RUN_BYTES
    ) {
      this.#grow(before, bytes);
    } else {
      this.#beginRun(stream, at + 1, position, copies ? bytes.slice() : bytes);
    }
    this.#evict();
  }

  /**
   * The bytes from `start` to `end` at most, as a view that must not be written to: null when the
   * first of them is not cached, and shorter when a later one is not.
   */
  get(id: number, start: number, end: number): Uint8Array | null {
    const runs = this.#streams.get(id)?.runs;
    if (runs === undefined) return null;
    let at = lastStartingBy(runs, start);
    const first = runs[at];
    if (first === undefined || first.start + first.length <= start) return null;
    this.#used.use(first);
    const views = [view(first, start, end)];
    let reach = first.start + first.length;
    for (let next = runs[++at]; reach < end && next?.start === reach; next = runs[++at]) {
      this.#used.use(next);
      views.push(view(next, reach, end));
      reach += next.length;
    }
    return concatenate(views);
  }

  /** The same without a copy, and so only as far as the bytes lie in one buffer. */
  view(id: number, start: number, end: number): Uint8Array | null {
    const runs = this.#streams.get(id)?.runs;
    const run = runs?.[lastStartingBy(runs, start)];
    if (run === undefined || run.start + run.length <= start) return null;
    this.#used.use(run);
    return view(run, start, end);
  }

  /** The position up to which the bytes from `position` on are cached: itself when none are. */
  reach(id: number, position: number): number {
    const runs = this.#streams.get(id)?.runs ?? [];
    let at = lastStartingBy(runs, position);
    const first = runs[at];
    if (first === undefined) return position;
    let reach = Math.max(position, first.start + first.length);
    for (let next = runs[++at]; next?.start === reach; next = runs[++at]) reach += next.length;
    return reach;
  }

  clear(): void {
    for (let run = this.#used.oldest; run !== null; run = this.#used.oldest) this.#remove(run);
  }

  #grow(run: Run, bytes: Uint8Array): void {
    const length = run.length + bytes.length;
    if (length > run.buffer.length) {
      const buffer = new Uint8Array(Math.min(Math.max(length * 2, MIN_RUN_BYTES), MAX_RUN_BYTES));
      buffer.set(run.buffer.subarray(0, run.length));
      this.#size += buffer.length - run.buffer.length;
      this.#references?.retain(buffer);
      this.#references?.release(run.buffer);
      run.buffer = buffer;
    }
    run.buffer.set(bytes, run.length);
    run.length = length;
    this.#used.use(run);
  }

  #beginRun(stream: StreamRuns, at: number, start: number, buffer: Uint8Array): void {
    const run: Run = { stream, start, length: buffer.length, buffer, older: null, newer: null };
    stream.runs.splice(at, 0, run);
    this.#used.use(run);
    this.#size += run.buffer.length;
    this.#references?.retain(buffer);
  }

  #evict(): void {
    while (this.#size > this.#capacity) this.#remove(this.#used.oldest!);
  }

  #remove(run: Run): void {
    const { runs, id } = run.stream;
    runs.splice(runs.indexOf(run), 1);
    if (runs.length === 0) this.#streams.delete(id);
    this.#used.remove(run);
    this.#size -= run.buffer.length;
    this.#references?.release(run.buffer);
  }
}

/** The index of the last run that starts at or before `position`, or -1. */
function lastStartingBy(runs: readonly Run[], position: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.start <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function view(run: Run, start: number, end: number): Uint8Array {
  return run.buffer.subarray(start - run.start, Math.min(end - run.start, run.length));
}
