/**
 * Wake-ups between nodes, over one LISTEN connection. NOTIFY takes a lock on the whole database
 * until its commit, so it stays out of the appends: what changed is gathered for a few
 * milliseconds, and many streams travel in one payload. Lossy by design; see `FollowedStreams`.
 */
import type { Database, Listening } from "../storage/database.ts";

const CHANNEL = "penstock_wakeups";
/** How long changes are gathered, milliseconds. */
const GATHER_MS = 3;
/** Postgres refuses payloads of 8000 bytes. */
const LARGEST_PAYLOAD = 7900;

export interface WakeupEvents {
  /** These streams changed, on another node. */
  onHint(ids: readonly number[]): void;
  /** Hints may have been lost: look at everything. */
  onGap(): void;
}

export class Wakeups {
  readonly #database: Database;
  readonly #node = crypto.randomUUID().slice(0, 8);
  #changed = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> = Promise.resolve();
  #listening: Listening | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** An embedded database has this one node: there is nobody to wake. */
  get #alone(): boolean {
    return this.#database.kind === "embedded";
  }

  async start(events: WakeupEvents): Promise<void> {
    if (this.#alone || !this.#database.listens) return;
    this.#listening = await this.#database.listen(CHANNEL, {
      onPayload: (payload) => {
        const [node, ids] = payload.split(":");
        if (node === this.#node || ids === undefined) return;
        events.onHint(ids.split(",").map(Number).filter(Number.isSafeInteger));
      },
      onListening: () => events.onGap(),
    });
  }

  /** Tells the other nodes, soon. Call after the commit. */
  notify(id: number): void {
    if (this.#alone) return;
    this.#changed.add(id);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#sending.then(() => this.#send());
    }, GATHER_MS);
  }

  /** Sends what is gathered, and listens no more. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#send();
    await this.#listening?.stop().catch(() => {});
  }

  async #send(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    for (const payload of payloads(this.#node, ids)) {
      // A lost hint costs a follower on another node a second, and nothing else.
      await this.#database.query("select pg_notify($1, $2)", [CHANNEL, payload]).catch(() => {});
    }
  }
}

/** `node:id,id,…`, each within Postgres's bound. */
export function payloads(node: string, ids: readonly number[]): string[] {
  const result: string[] = [];
  let payload = "";
  for (const id of ids) {
    if (payload.length + 17 > LARGEST_PAYLOAD) {
      result.push(payload);
      payload = "";
    }
    payload += payload === "" ? `${node}:${id}` : `,${id}`;
  }
  if (payload !== "") result.push(payload);
  return result;
}
