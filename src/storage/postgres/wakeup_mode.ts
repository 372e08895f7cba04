/**
 * How a node learns of other nodes' writes: by LISTEN, or by polling where LISTEN does not work.
 */

export interface WakeupMode {
  readonly mode: "listen" | "poll";
  /** The second half of the sentence that is logged: `on a connection of its own`. */
  readonly reason: string;
  /** Whether polling is a fallback, and was not configured. */
  readonly fallback: boolean;
}

export interface WakeupOptions {
  readonly wakeups: "auto" | "listen" | "poll";
  readonly listenUrl: string | null;
}

/** @param pooled whether the database URL leads to a pooler */
export function wakeupMode({ wakeups, listenUrl }: WakeupOptions, pooled: boolean): WakeupMode {
  if (wakeups === "poll") return { mode: "poll", reason: "as asked", fallback: false };
  if (listenUrl !== null) {
    return { mode: "listen", reason: "on a connection by --listen-url", fallback: false };
  }
  if (pooled && wakeups === "auto") {
    const reason = "the database URL leads to a connection pooler, and those lose NOTIFY; " +
      "--listen-url with a direct URL is quicker";
    return { mode: "poll", reason, fallback: true };
  }
  return { mode: "listen", reason: "on a connection of its own", fallback: false };
}
