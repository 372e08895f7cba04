/** Turns of the event loop. */
import { setImmediate } from "node:timers";

/**
 * Resolves after one turn of the event loop: what has arrived on sockets meanwhile has been read.
 * `setTimeout(0)` would take up to 4 ms of an idle process; a microtask lets nothing be read.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
