/**
 * Notifications between nodes, over one LISTEN connection. NOTIFY takes a lock on the whole
 * database until its commit, so it is not part of the appends' transactions: changes are gathered
 * for a few milliseconds, and one payload carries many streams. Notifications may be lost; the
 * polls of `StreamMonitor` make up for that.
 */
import { measurements } from "../../lib/telemetry/measurements.ts";
import { BaseService } from "../../lib/service.ts";
import type { Database, Listening } from "../../storage/database.ts";

const CHANNEL = "penstock_wakeups";
/** How long changes are gathered before they are sent. Milliseconds. */
const GATHER_MS = 3;
/** How many probes of a peer may be missed, and by how much they may be late, until it is gone. */
const MISSED_SIGNS = 3;
const DELAY_MS = 500;
/** PostgreSQL refuses payloads of 8000 bytes or more. */
const MAX_PAYLOAD_BYTES = 7900;
/** What a peer says beyond this is not believed. Milliseconds. */
const MAX_AGE_MS = 60_000;
/** The length of the largest id and a comma. */
const MAX_ID_BYTES = 17;

export interface NodeNotifierEvents {
  /**
   * Streams were changed on another node.
   * @param changedAt when the first of them was, as `performance.now()` of this node
   */
  onNotification(ids: readonly number[], changedAt: number): void;
  /** Notifications may have been missed, so all followed streams have to be reconciled. */
  onGap(): void;
}

export interface NodeNotifierOptions {
  /**
   * How long no peer may be heard before there are none, milliseconds. Default: by the database.
   */
  readonly silenceMs?: number;
}

export class NodeNotifier extends BaseService {
  readonly #database: Database;
  readonly #events: NodeNotifierEvents;
  readonly #options: NodeNotifierOptions;
  readonly #node = crypto.randomUUID().slice(0, 8);
  #changed = new Set<number>();
  /** When the first of them was changed, as `performance.now()`. */
  #changedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent: Promise<void> = Promise.resolve();
  #listening: Listening | undefined;
  /** When a peer was last heard, or its probe may have been missed. As `performance.now()`. */
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
    if (this.#changed.size === 0) this.#changedAt = performance.now();
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
        const [node, ids, age = "0"] = payload.split(":");
        if (node === this.#node || ids === undefined) return;
        this.#peerHeardAt = performance.now();
        const changed = ids.split(",").map(Number).filter(Number.isSafeInteger);
        this.#events.onNotification(changed, this.#peerHeardAt - delayOf(age));
      },
      onPeer: () => this.#peerHeardAt = performance.now(),
      onListening: () => {
        this.#peerHeardAt = performance.now();
        this.#events.onGap();
      },
    });
  }

  /** Sends the changes gathered so far, and stops listening. */
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
   * Whether there is no other node to notify: an embedded database has one node only, and a node
   * that listens hears the probes of its peers. Without this check a single node would send itself
   * up to 300 notifications per second. While the listening connection is half-open, peers are not
   * heard and so not notified, until the connection is replaced.
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
    const ageMs = Math.round(performance.now() - this.#changedAt);
    this.#changed.clear();
    for (const payload of payloads(this.#node, ids)) {
      // A lost notification only delays a follower on another node until its next poll.
      await this.#database.hedged("select pg_notify($1, $2)", [CHANNEL, `${payload}:${ageMs}`])
        .catch(() => {});
    }
  }
}

/**
 * How long ago a change was made that is heard now. Nodes' clocks are not compared: the peer says how
 * old its change was when it was sent, and this node knows how long its own last NOTIFY took.
 */
function delayOf(age: string): number {
  const ageMs = Number(age);
  return (ageMs >= 0 && ageMs <= MAX_AGE_MS ? ageMs : 0) + measurements.notifyMs;
}

/** Payloads of the form `node:id,id,…`, each within PostgreSQL's bound; `:age` follows, in milliseconds. */
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
