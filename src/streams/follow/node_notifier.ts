/**
 * Wake-ups between nodes, over one LISTEN connection. NOTIFY takes a lock on the whole database
 * until its commit, so it stays out of the appends: what changed is gathered for a few
 * milliseconds, and many streams travel in one payload. Lossy by design; see `StreamMonitor`.
 */
import type { Database, Listening } from "../../storage/database.ts";

const CHANNEL = "penstock_wakeups";
/** How long changes are gathered, milliseconds. */
const GATHER_MS = 3;
/** Three probes unheard: nobody else listens. Milliseconds. */
const SILENCE_MS = 3 * 2000 + 500;
/** Postgres refuses payloads of 8000 bytes. */
const LARGEST_PAYLOAD = 7900;

export interface NodeNotifierEvents {
  /** These streams changed, on another node. */
  onNotification(ids: readonly number[]): void;
  /** Hints may have been lost: look at everything. */
  onGap(): void;
}

export class NodeNotifier {
  readonly #database: Database;
  readonly #node = crypto.randomUUID().slice(0, 8);
  #changed = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> = Promise.resolve();
  #listening: Listening | undefined;
  readonly #silenceMs: number;
  /** When another node was last heard, or may have gone unheard. As `performance.now()`. */
  #neighbourAt = performance.now();

  constructor(database: Database, silenceMs = SILENCE_MS) {
    this.#database = database;
    this.#silenceMs = silenceMs;
  }

  /**
   * There is nobody to wake: an embedded database has this one node, and a node that listens hears
   * the others. One alone would send up to 300 hints a second to itself.
   * Should it be deaf without knowing it, its hints are lost hints, as below.
   */
  get #alone(): boolean {
    if (this.#database.kind === "embedded") return true;
    return this.#listening !== undefined &&
      performance.now() - this.#neighbourAt > this.#silenceMs;
  }

  async start(events: NodeNotifierEvents): Promise<void> {
    if (this.#database.kind === "embedded" || !this.#database.listens) return;
    this.#listening = await this.#database.listen(CHANNEL, {
      onPayload: (payload) => {
        const [node, ids] = payload.split(":");
        if (node === this.#node || ids === undefined) return;
        this.#neighbourAt = performance.now();
        events.onNotification(ids.split(",").map(Number).filter(Number.isSafeInteger));
      },
      onPeer: () => this.#neighbourAt = performance.now(),
      onListening: () => {
        this.#neighbourAt = performance.now();
        events.onGap();
      },
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
      await this.#database.hedged("select pg_notify($1, $2)", [CHANNEL, payload]).catch(() => {});
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
