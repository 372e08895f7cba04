/**
 * Delivers wakes: a webhook is sent, or a wake event appended. A bounded number at a time; more
 * wait here, and if that takes too long, or this node dies, their leases end and another node
 * delivers them.
 */
import { namespaceOfName, outerName } from "../access/namespaces.ts";
import { BaseService } from "../lib/service.ts";
import { settlesWithin } from "../lib/timeout.ts";
import { encodeOffset } from "../protocol/offset.ts";
import type { Streams } from "../streams/streams.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { messageOf } from "../telemetry/redact.ts";
import { streamUrlPath } from "../protocol/stream_path.ts";
import type { KeyRing } from "./key_ring.ts";
import type {
  Ack,
  AckResult,
  IssuedWake,
  SubscriptionRow,
  SubscriptionStore,
  WakeStreamRow,
} from "./store.ts";
import type { Tokens } from "./tokens.ts";
import { postWebhook } from "./webhook_request.ts";
import type { WebhookPolicy } from "./webhook_policy.ts";

/** Sockets and memory: each may hold 64 KiB of an answer for as long as a lease. */
const MOST_DELIVERIES = 128;
/** The longest a receiver may take to answer, if its lease is longer still. */
const LONGEST_ANSWER_MS = 30_000;
/** How long deliveries in progress may take when the service stops. */
const STOP_MS = 2000;

export interface DelivererParts {
  readonly store: SubscriptionStore;
  readonly streams: Streams;
  readonly keys: KeyRing;
  readonly tokens: Tokens;
  readonly telemetry: Telemetry;
  readonly webhookPolicy: WebhookPolicy;
  /** Where this server's control APIs are: `https://host`, without a slash at the end. */
  readonly publicUrl: () => string;
  /** Called when a cursor has moved, so that these streams are matched with later appends. */
  readonly onAcked: (streamList: string | null) => void;
  /** Called when a lease ends or a retry is due in this many milliseconds. */
  readonly onDueIn: (ms: number) => void;
}

export class Deliverer extends BaseService {
  readonly #parts: DelivererParts;
  readonly #waiting: IssuedWake[] = [];
  readonly #inProgress = new Set<Promise<void>>();
  #abort = new AbortController();

  constructor(parts: DelivererParts) {
    super();
    this.#parts = parts;
  }

  /** How many more deliveries could begin at once. */
  get room(): number {
    return MOST_DELIVERIES - this.#inProgress.size - this.#waiting.length;
  }

  deliver(wake: IssuedWake): void {
    if (!this.running) return;
    this.#waiting.push(wake);
    this.#startWaiting();
  }

  protected override onStart(): void {
    this.#abort = new AbortController();
  }

  /** Lets deliveries end, for a while; what is cut off is due again at once. */
  protected override async onStop(): Promise<void> {
    this.#waiting.length = 0;
    const done = Promise.all(this.#inProgress);
    if (!await settlesWithin(done, STOP_MS)) this.#abort.abort();
    await done;
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#inProgress.size < MOST_DELIVERIES) {
      const wake = this.#waiting.shift()!;
      const work = this.#deliver(wake).catch((error) => {
        // The database is away: the lease ends by itself.
        this.#parts.telemetry.report({ event: "subscriptions_failed", error });
      }).finally(() => {
        this.#inProgress.delete(work);
        this.#startWaiting();
      });
      this.#inProgress.add(work);
    }
  }

  async #deliver({ id, generation }: IssuedWake): Promise<void> {
    const { store } = this.#parts;
    const subscription = await store.beginDelivery(id, generation);
    if (subscription === null) return;
    const streams = await store.wakeStreams(id);
    if (!streams.some(isPending)) {
      // What there was to do has gone since: deleted, or taken out of the subscription.
      await this.#ack(subscription, []);
    } else if (subscription.type === "webhook") {
      await this.#sendWebhook(subscription, streams);
    } else {
      await this.#writeEvent(subscription, streams.find(isPending)!.path);
    }
  }

  async #sendWebhook(subscription: SubscriptionRow, streams: WakeStreamRow[]): Promise<void> {
    const { keys, tokens, telemetry, store } = this.#parts;
    const { id, name, generation } = subscription;
    const outer = namesFor(name);
    const body = new TextEncoder().encode(JSON.stringify({
      subscription_id: outer(name),
      wake_id: subscription.wake_id,
      generation,
      streams: streams.map((link) => shownInWake(link, outer)),
      callback_url: `${this.#parts.publicUrl()}${controlPath(outer(name))}/callback`,
      callback_token: await tokens.issue(name, generation),
    }));
    const signature = await keys.sign(body);
    const began = performance.now();
    const answer = await this.#post(subscription, body, signature);
    const ms = Math.round(performance.now() - began);
    if (answer.kind === "failed") return await this.#failed(subscription, answer.reason);
    const { status, done } = answer;
    telemetry.report({ event: "wake_delivered", subscription: name, generation, status, done, ms });
    await store.delivered(id, generation);
    if (done) {
      const acks = streams.map(({ path, tail: position, tail_generation: generation }) => ({
        ...{ path, position, generation },
      }));
      await this.#ack(subscription, acks);
    }
  }

  async #post(subscription: SubscriptionRow, body: Uint8Array, signature: string) {
    const { webhookPolicy: policy } = this.#parts;
    let url: URL;
    try {
      // Again: what the operator allows may have changed since it was created.
      url = policy.check(subscription.webhook_url!);
    } catch (error) {
      return { kind: "failed", reason: messageOf(error) } as const;
    }
    return await postWebhook({
      url,
      policy,
      headers: {
        "content-type": "application/json",
        "user-agent": "penstock",
        "webhook-signature": signature,
      },
      body,
      // Before the lease ends: the failure is then recorded as one, and backed off from.
      timeoutMs: Math.min(LONGEST_ANSWER_MS, subscription.lease_ttl_ms * 0.9),
      signal: this.#abort.signal,
    });
  }

  /**
   * Appended as by a producer whose epoch is the generation: however many nodes write the event of
   * a wake, or how late, it is in the wake stream once and in order.
   */
  async #writeEvent(subscription: SubscriptionRow, stream: string): Promise<void> {
    const { streams, store, telemetry, keys } = this.#parts;
    const { id, name, generation } = subscription;
    const outer = namesFor(name);
    const event = JSON.stringify({
      type: "wake",
      subscription_id: outer(name),
      stream: outer(stream),
      generation,
      ts: await keys.clock.now(),
    });
    const outcome = await streams.append(subscription.wake_stream!, {
      contentType: "application/json",
      body: new TextEncoder().encode(event),
      closes: false,
      streamSeq: null,
      producer: { id: `penstock-subscription-${id}`, epoch: generation, seq: 0 },
    });
    if (outcome.kind === "appended" || outcome.kind === "stale_epoch") {
      telemetry.report({ event: "wake_written", subscription: name, generation });
      await store.delivered(id, generation);
    } else {
      const reason = `the wake stream ${subscription.wake_stream}: ${outcome.kind}`;
      await this.#failed(subscription, reason);
    }
  }

  async #failed(subscription: SubscriptionRow, reason: string): Promise<void> {
    const { store, telemetry, onDueIn } = this.#parts;
    const { id, name, generation } = subscription;
    const retry = await store.deliveryFailed(id, generation);
    telemetry.report({
      event: "delivery_failed",
      subscription: name,
      generation,
      reason,
      failures: retry?.failures ?? 0,
      retryMs: retry?.retry_ms ?? null,
      failingForMs: retry?.failing_ms ?? 0,
    });
    if (retry !== null) onDueIn(retry.retry_ms);
  }

  async #ack(subscription: SubscriptionRow, acks: Ack[]): Promise<void> {
    const { id, name, generation, wake_id } = subscription;
    const result: AckResult = await this.#parts.store.ack(
      { id, generation, wakeId: wake_id! },
      acks,
      { done: true, trusted: true },
    );
    if (result.next_generation !== null) {
      this.deliver({ id, name, generation: result.next_generation });
    }
    this.#parts.onAcked(result.streams);
  }
}

export function isPending({ acked, tail }: WakeStreamRow): boolean {
  return tail > acked;
}

/** Names as in the namespace of a subscription, by its stored name: none that it holds is outside. */
export function namesFor(subscription: string): (stored: string) => string {
  const namespace = namespaceOfName(subscription);
  return (stored) => outerName(namespace, stored) ?? "";
}

/** A link as webhooks and claims show it (section 7.1). */
export function shownInWake(link: WakeStreamRow, outer: (stored: string) => string) {
  return {
    path: outer(link.path),
    link_type: link.explicit ? "explicit" : "glob",
    acked_offset: encodeOffset({ position: link.acked, generation: link.acked_generation }),
    tail_offset: encodeOffset({ position: link.tail, generation: link.tail_generation }),
    has_pending: isPending(link),
    // An extension: from there to acked_offset the stream was trimmed.
    ...link.dropped === null ? {} : {
      dropped_from_offset: encodeOffset({
        position: link.dropped,
        generation: link.dropped_generation!,
      }),
    },
  };
}

/** The path of a subscription's own control API, by its id as its maker says it. */
export function controlPath(id: string): string {
  return streamUrlPath(`__ds/subscriptions/${id}`);
}
