/**
 * Holds appends that arrived ahead of their producer's earlier ones. A client that pipelines over
 * several connections has its requests overtake each other: one that is early is not a gap yet. It
 * is decided again whenever an append of the same stream arrives, and refused once the reorder
 * timeout, counted from when it was first held, has passed.
 */
import type { StreamQueue } from "./stream_queue.ts";
import type { WaitingAppend } from "./waiting_append.ts";

const REORDER_TIMEOUT_MS = 75;

export interface ReorderingOptions {
  /** Called when appends of this queue are back among those that wait, not to be held again. */
  readonly onTimeout: (queue: StreamQueue) => void;
  readonly timeoutMs?: number;
}

export class Reordering {
  readonly #onTimeout: (queue: StreamQueue) => void;
  readonly #timeoutMs: number;

  constructor({ onTimeout, timeoutMs = REORDER_TIMEOUT_MS }: ReorderingOptions) {
    this.#onTimeout = onTimeout;
    this.#timeoutMs = timeoutMs;
  }

  hold(queue: StreamQueue, appends: readonly WaitingAppend[]): void {
    if (appends.length === 0) return;
    for (const append of appends) queue.held.push(append);
    setTimeout(() => this.#endHolding(queue, appends), this.#timeoutMs);
  }

  /** All appends that are held wait again, behind those that wait: their predecessors, perhaps. */
  release(queue: StreamQueue): void {
    if (queue.held.length === 0) return;
    for (const append of queue.held) queue.waiting.push(append);
    queue.held = [];
  }

  #endHolding(queue: StreamQueue, appends: readonly WaitingAppend[]): void {
    const held = new Set(queue.held);
    const late = new Set(appends.filter((append) => held.has(append)));
    if (late.size === 0) return;
    queue.held = queue.held.filter((append) => !late.has(append));
    for (const append of late) {
      append.mayBeHeld = false;
      queue.waiting.push(append);
    }
    this.#onTimeout(queue);
  }
}
