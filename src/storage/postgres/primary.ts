/**
 * Finds the primary before a connection is opened. Penstock never opens connections to a standby,
 * whose data may lag, or to a stale primary: a writable server on an older timeline than one that
 * this node has already seen.
 */
import { delay } from "../../lib/timeout.ts";
import { DatabaseUnavailable } from "../database.ts";
import type { ServerStatus } from "./server_status.ts";
import type { PostgresHost } from "./url.ts";

/** How long the primary that was found is used without querying the servers again. Milliseconds. */
const FRESH_MS = 1000;
/** How long the search is repeated while a standby may be about to be promoted. Milliseconds. */
const PROMOTION_WAIT_MS = 1000;
/** The pause between two rounds of queries. Milliseconds. */
const PAUSE_MS = 100;
/**
 * How long to wait for a second writable server, which wins if its timeline is later. Milliseconds.
 */
const GRACE_MS = 50;

export interface Primary {
  readonly host: PostgresHost;
  readonly timeline: number | null;
}

/** No server can be written to now. `message` gives the reason for each server. */
export class NoPrimary extends DatabaseUnavailable {
  override name = "NoPrimary";
  /** Whether a standby answered, so that a promotion would help. */
  readonly standby: boolean;
  constructor(message: string, standby: boolean) {
    super(message);
    this.standby = standby;
  }
}

export interface PrimaryParts {
  readonly hosts: readonly PostgresHost[];
  /** Queries a host, with a time limit. Rejects when it cannot be reached. */
  readonly ask: (host: PostgresHost) => Promise<ServerStatus>;
}

export class PrimaryFinder {
  /**
   * Called before the first connection to a server on a new timeline: it may lack commits that this
   * node has seen.
   */
  onNewTimeline: (primary: PostgresHost, timeline: number) => void = () => {};
  readonly #parts: PrimaryParts;
  #found: (Primary & { readonly at: number }) | undefined;
  #searching: Promise<Primary> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;
  #timeline: number | null = null;

  constructor(parts: PrimaryParts) {
    this.#parts = parts;
  }

  /** @throws NoPrimary, or the connection's error where there is only one server */
  find(): Promise<Primary> {
    const now = performance.now();
    if (this.#found !== undefined && now - this.#found.at < FRESH_MS) {
      return Promise.resolve(this.#found);
    }
    // Every connection of a pool comes here when it is opened: one round of queries serves them
    // all.
    if (this.#failure !== undefined && now - this.#failure.at < PAUSE_MS) {
      return Promise.reject(this.#failure.error);
    }
    return this.#searching ??= this.#search().finally(() => this.#searching = undefined);
  }

  /** Makes the next `find` query the servers again. Called when a connection failed. */
  invalidate(): void {
    this.#found = undefined;
  }

  async #search(): Promise<Primary> {
    const deadline = performance.now() + PROMOTION_WAIT_MS;
    while (true) {
      try {
        return this.#accept(await this.#askAll());
      } catch (error) {
        const hopeful = error instanceof NoPrimary && error.standby;
        if (!hopeful || performance.now() >= deadline) {
          this.#failure = { error, at: performance.now() };
          throw error;
        }
        await delay(PAUSE_MS);
      }
    }
  }

  #accept(primary: Primary): Primary {
    const known = this.#timeline;
    this.#failure = undefined;
    this.#found = { ...primary, at: performance.now() };
    if (primary.timeline !== null) this.#timeline = primary.timeline;
    if (known !== null && primary.timeline !== null && primary.timeline > known) {
      this.onNewTimeline(primary.host, primary.timeline);
    }
    return primary;
  }

  /**
   * The first server found that can be written to, without waiting for those that do not answer.
   */
  #askAll(): Promise<Primary> {
    const { hosts, ask } = this.#parts;
    const writable: Primary[] = [];
    const others: { host: PostgresHost; reason: string; error?: unknown; standby: boolean }[] = [];
    return new Promise((resolve, reject) => {
      const best = () =>
        resolve(writable.reduce((a, b) => (b.timeline ?? 0) > (a.timeline ?? 0) ? b : a));
      const settle = () => {
        if (writable.length + others.length < hosts.length) {
          if (writable.length === 1) setTimeout(best, GRACE_MS);
          return;
        }
        if (writable.length > 0) return best();
        const [only] = others;
        if (others.length === 1 && only?.error !== undefined) return reject(only.error);
        // "Too many connections" is the one reason that passes by itself, so it is kept for the
        // caller, which may try again.
        const full = others.find(({ error }) => (error as { code?: string })?.code === "53300");
        if (full !== undefined) return reject(full.error);
        const reasons = others.map(({ host: { host, port }, reason }) =>
          reason.startsWith("PostgreSQL at ") ? reason : `${host}:${port}: ${reason}`
        );
        reject(new NoPrimary(reasons.join("; "), others.some(({ standby }) => standby)));
      };
      for (const host of hosts) {
        ask(host).then(({ readOnly, timeline }) => {
          const stale = (timeline ?? Infinity) < (this.#timeline ?? 0);
          if (readOnly !== null) others.push({ host, reason: readOnly, standby: true });
          else if (stale) others.push({ host, reason: stalePrimary(timeline!), standby: false });
          else writable.push({ host, timeline });
        }, (error) => {
          const reason = error instanceof Error ? error.message : String(error);
          others.push({ host, reason, error, standby: false });
        }).then(settle);
      }
    });
  }
}

function stalePrimary(timeline: number): string {
  return `a stale primary on timeline ${timeline}: another has been promoted since`;
}
