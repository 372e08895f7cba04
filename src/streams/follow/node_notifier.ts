/**
 * Wake-ups between nodes, over one LISTEN connection. NOTIFY takes a lock on the whole database
 * until its commit, so it stays out of the appends: changes are gathered for a few milliseconds, and
 * many streams travel in one payload. Lossy by design; see `StreamMonitor`.
 */
import { BaseService } from "../../lib/service.ts";
import type { Database, Listening } from "../../storage/database.ts";

const CHANNEL = "penstock_wakeups";
/** How long changes are gathered. Milliseconds. */
const GATHER_MS = 3;
/** So many signs of life of a peer may be missed before there are no peers, and so much delay. */
const MISSED_SIGNS = 3;
const DELAY_MS = 500;
/** Postgres refuses payloads of 8000 bytes. */
const MAX_PAYLOAD_BYTES = 7900;
/** The digits of the largest id, and a comma. */
const MAX_ID_BYTES = 17;

export interface NodeNotifierEvents {
  /** These streams changed, on another node. */
  onNotification(ids: readonly number[]): void;
  /** Notifications may have been missed: everything has to be reconciled. */
  onGap(): void;
}

export interface NodeNotifierOptions {
  /** Milliseconds without a sign of a peer after which there are none. Default: by the database. */
  readonly silenceMs?: number;
}

export class NodeNotifier extends BaseService {
  readonly #database: Database;
  readonly #events: NodeNotifierEvents;
  readonly #options: NodeNotifierOptions;
  readonly #node = crypto.randomUUID().slice(0, 8);
  #changed = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent: Promise<void> = Promise.resolve();
  #listening: Listening | undefined;
  /** When a peer was last heard, or may have gone unheard. As `performance.now()`. */
  #peerHeardAt = performance.now();

  constructor(database: Database, events: NodeNotifierEvents, options: NodeNotifierOptions = {}) {
    super();
    this.#database = database;
    this.#events = events;
    this.#options = options;
  }

  /** Notifies the other nodes of a change, soon. To be called after the commit. */
  notify(id: number): void {
    if (!this.running || this.#hasNoPeers) return;
    this.#changed.add(id);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sent = this.#sent.then(() => this.#send());
    }, GATHER_MS);
  }

  protected override async onStart(): Promise<void> {
    if (this.#database.kind === "embedded" || !this.#database.listens) return;
    this.#peerHeardAt = performance.now();
    this.#listening = await this.#database.listen(CHANNEL, {
      onPayload: (payload) => {
        const [node, ids] = payload.split(":");
        if (node === this.#node || ids === undefined) return;
        this.#peerHeardAt = performance.now();
        this.#events.onNotification(ids.split(",").map(Number).filter(Number.isSafeInteger));
      },
      onPeer: () => this.#peerHeardAt = performance.now(),
      onListening: () => {
        this.#peerHeardAt = performance.now();
        this.#events.onGap();
      },
    });
  }

  /** Sends what is gathered, and listens no more. */
  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sent;
    await this.#send();
    const listening = this.#listening;
    this.#listening = undefined;
    await listening?.stop().catch(() => {});
  }

  /**
   * Nobody is there to notify: an embedded database has this one node, and a node that listens hears
   * its peers. Without peers it would send up to 300 notifications a second to itself. Should the
   * connection that listens be half-open, notifications are missed until that is found out.
   */
  get #hasNoPeers(): boolean {
    if (this.#database.kind === "embedded") return true;
    if (this.#listening === undefined) return false;
    const silenceMs = this.#options.silenceMs ??
      MISSED_SIGNS * this.#listening.peerIntervalMs + DELAY_MS;
    return performance.now() - this.#peerHeardAt > silenceMs;
  }

  async #send(): Promise<void> {
    const ids = [...this.#changed];
    this.#changed.clear();
    for (const payload of payloads(this.#node, ids)) {
      // A lost notification costs a follower on another node a second, and nothing else.
      await this.#database.hedged("select pg_notify($1, $2)", [CHANNEL, payload]).catch(() => {});
    }
  }
}

/** `node:id,id,…`, each within Postgres's bound. */
export function payloads(node: string, ids: readonly number[]): string[] {
  const result: string[] = [];
  let payload = "";
  for (const id of ids) {
    if (payload.length + MAX_ID_BYTES > MAX_PAYLOAD_BYTES) {
      result.push(payload);
      payload = "";
    }
    payload += payload === "" ? `${node}:${id}` : `,${id}`;
  }
  if (payload !== "") result.push(payload);
  return result;
}
