/**
 * Which server to connect to: the primary, asked for before a connection is opened. A standby may
 * lag, so what it says of a stream may be false; a server on an older timeline than one already
 * seen is a primary that was left behind. Connections to either are never opened.
 */
import { DatabaseUnavailable } from "../database.ts";
import type { PostgresHost } from "./url.ts";

/** How long what was found out is good for, unless a connection fails. Milliseconds. */
const FRESH_MS = 1000;
/** How long to look on while a standby may be about to be promoted. */
const PATIENCE_MS = 1000;
const PAUSE_MS = 100;
/** A second server that can be written to is waited for this long: the later timeline wins. */
const GRACE_MS = 50;

/** What a server says of itself. */
export interface Sighting {
  /** Null: it can be written to. */
  readonly readOnly: string | null;
  /** PostgreSQL begins a new one with every promotion. Null: it would not say. */
  readonly timeline: number | null;
}

export interface Primary {
  readonly host: PostgresHost;
  readonly timeline: number | null;
}

/** No server can be written to now. `message` says of each why. */
export class NoPrimary extends DatabaseUnavailable {
  override name = "NoPrimary";
  /** A standby answered: a promotion would help. */
  readonly standby: boolean;
  constructor(message: string, standby: boolean) {
    super(message);
    this.standby = standby;
  }
}

export interface PrimaryParts {
  readonly hosts: readonly PostgresHost[];
  /** Rejects when it cannot be reached; bounded. */
  readonly ask: (host: PostgresHost) => Promise<Sighting>;
}

export class PrimaryFinder {
  /**
   * Called before connections to a server whose history branched off what this node has seen:
   * commits may be missing from it.
   */
  onNewTimeline: (primary: PostgresHost, timeline: number) => void = () => {};
  readonly #parts: PrimaryParts;
  #found: (Primary & { readonly at: number }) | undefined;
  #search: Promise<Primary> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;
  #timeline: number | null = null;

  constructor(parts: PrimaryParts) {
    this.#parts = parts;
  }

  /** @throws NoPrimary, or what the only server's connection failed with */
  find(): Promise<Primary> {
    const now = performance.now();
    if (this.#found !== undefined && now - this.#found.at < FRESH_MS) {
      return Promise.resolve(this.#found);
    }
    // Everyone who wants a connection comes here: one round of questions serves them all.
    if (this.#failure !== undefined && now - this.#failure.at < PAUSE_MS) {
      return Promise.reject(this.#failure.error);
    }
    this.#search ??= this.#searchOn().finally(() => this.#search = undefined);
    return this.#search;
  }

  /** A connection failed: what was found out may no longer be so. */
  suspect(): void {
    this.#found = undefined;
  }

  async #searchOn(): Promise<Primary> {
    const deadline = performance.now() + PATIENCE_MS;
    while (true) {
      try {
        return this.#take(await this.#askAll());
      } catch (error) {
        const hopeful = error instanceof NoPrimary && error.standby;
        if (!hopeful || performance.now() >= deadline) {
          this.#failure = { error, at: performance.now() };
          throw error;
        }
        await pause(PAUSE_MS);
      }
    }
  }

  #take(primary: Primary): Primary {
    const known = this.#timeline;
    this.#failure = undefined;
    this.#found = { ...primary, at: performance.now() };
    if (primary.timeline !== null) this.#timeline = primary.timeline;
    if (known !== null && primary.timeline !== null && primary.timeline > known) {
      this.onNewTimeline(primary.host, primary.timeline);
    }
    return primary;
  }

  /** The first server that can be written to, without waiting for those that do not answer. */
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
        // Too many connections: of all reasons the one that passes, and whoever asks may wait.
        const full = others.find(({ error }) => (error as { code?: string })?.code === "53300");
        if (full !== undefined) return reject(full.error);
        const words = others.map(({ host, reason }) => `${host.host}:${host.port}: ${reason}`);
        reject(new NoPrimary(words.join("; "), others.some(({ standby }) => standby)));
      };
      for (const host of hosts) {
        ask(host).then(({ readOnly, timeline }) => {
          const left = (timeline ?? Infinity) < (this.#timeline ?? 0);
          if (readOnly !== null) others.push({ host, reason: readOnly, standby: true });
          else if (left) others.push({ host, reason: leftBehind(timeline!), standby: false });
          else writable.push({ host, timeline });
        }, (error) => {
          const reason = error instanceof Error ? error.message : String(error);
          others.push({ host, reason, error, standby: false });
        }).then(settle);
      }
    });
  }
}

function leftBehind(timeline: number): string {
  return `a primary that was left behind on timeline ${timeline}: another has been promoted since`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
