/**
 * The subscriptions of one database, as one node serves them (sections 6 and 7). Names that come in are
 * stored ones; what goes out is named as in the namespace of the subscription.
 */
import { namespaceOfName, outerName, storedName } from "../access/namespaces.ts";
import { invalid, invalidRequest, type Refusal, Refused } from "../errors.ts";
import { BaseService, startAll, stopAll } from "../lib/service.ts";
import { isJsonMode } from "../protocol/content_type.ts";
import { encodeOffset } from "../protocol/offset.ts";
import type { Database } from "../storage/database.ts";
import type { Streams } from "../streams/streams.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { messageOf } from "../telemetry/redact.ts";
import { Reconciler } from "./reconciler.ts";
import { type Configuration, hashOf } from "./configuration.ts";
import { Deliverer, namesFor, shownInWake } from "./deliverer.ts";
import { Dispatcher } from "./dispatcher.ts";
import { KeyRing, type PublishedKey } from "./key_ring.ts";
import { type Ack, type IssuedWake, type SubscriptionRow, SubscriptionStore } from "./store.ts";
import { listSubscriptions, type PageRequest, type SubscriptionsPage } from "./listing.ts";
import { Tokens } from "./tokens.ts";
import { WebhookPolicy } from "./webhook_policy.ts";
import type { NetworkTarget } from "../lib/network_targets.ts";

export interface SubscriptionsOptions {
  /** What webhooks may reach beyond https to the internet. */
  readonly webhookAllow: readonly NetworkTarget[];
  /** `https://host`, without a slash at the end. Asked for late: a port may be picked at start. */
  readonly publicUrl: () => string;
}

export interface SubscriptionsParts extends SubscriptionsOptions {
  readonly database: Database;
  readonly streams: Streams;
  readonly telemetry: Telemetry;
}

/** The wake a callback, ack or release is for, as its request says. */
export interface WakeRequest {
  readonly token: string;
  readonly generation: number;
  readonly wakeId: string;
}

export interface AckRequest extends WakeRequest {
  readonly acks: readonly Ack[];
  readonly done: boolean;
}

export class Subscriptions extends BaseService {
  readonly #parts: SubscriptionsParts;
  readonly #store: SubscriptionStore;
  readonly #keys: KeyRing;
  readonly #tokens: Tokens;
  readonly #deliverer: Deliverer;
  readonly #dispatcher: Dispatcher;
  readonly #reconciler: Reconciler;
  readonly #webhookPolicy: WebhookPolicy;

  constructor(parts: SubscriptionsParts) {
    super();
    const { database, streams, telemetry } = parts;
    this.#parts = parts;
    this.#store = new SubscriptionStore(database);
    this.#keys = new KeyRing(database);
    this.#tokens = new Tokens(this.#keys);
    this.#webhookPolicy = new WebhookPolicy(parts.webhookAllow);
    this.#deliverer = new Deliverer({
      store: this.#store,
      streams,
      keys: this.#keys,
      tokens: this.#tokens,
      telemetry,
      webhookPolicy: this.#webhookPolicy,
      publicUrl: parts.publicUrl,
      onAcked: (list) => this.#dispatcher.cursorsMoved(list),
      onDueIn: (ms) => this.#dispatcher.pollIn(ms),
    });
    this.#dispatcher = new Dispatcher({
      store: this.#store,
      deliverer: this.#deliverer,
      telemetry,
    });
    this.#reconciler = new Reconciler({
      store: this.#store,
      telemetry,
      onMissed: (ids) => this.#dispatcher.written(ids),
    });
  }

  /** Call before the first request. */
  async prepare(): Promise<void> {
    await this.#keys.start();
    const { database, streams } = this.#parts;
    // Alone on its database, a node knows whether there is anybody to wake.
    let anyone = database.kind !== "embedded" || await this.#store.any();
    this.#onCreated = () => anyone = true;
    streams.listenToWrites((ids) => {
      if (anyone) this.#dispatcher.written(ids);
    });
  }

  /** Begins to deliver. To be started when callbacks can be answered. */
  protected override async onStart(): Promise<void> {
    await startAll([this.#deliverer, this.#dispatcher, this.#reconciler]);
  }

  #onCreated: () => void = () => {};

  /** To be stopped when no request is left, and before the streams: wake events are appended. */
  protected override async onStop(): Promise<void> {
    await stopAll([this.#deliverer, this.#dispatcher, this.#reconciler]);
  }

  /** PUT (section 6.2). @throws Refused */
  async create(name: string, configuration: Configuration) {
    const { delivery } = configuration;
    if (delivery.type === "webhook") this.#checkWebhook(name, delivery.url);
    const hash = hashOf(configuration);
    const refusal = delivery.type === "webhook"
      ? null
      : await this.#refuseWakeStream(delivery.wakeStream);
    // What exists is confirmed, whatever has become of its wake stream since.
    if (refusal !== null && await this.#store.find(name) === null) throw new Refused(refusal);
    this.#onCreated();
    const result = await this.#store.create(name, configuration, hash);
    if (result.hash !== hash) {
      throw new Refused({ kind: "subscription_exists" });
    }
    if (result.created) {
      this.#parts.telemetry.report({
        event: "subscription_created",
        subscription: name,
        type: delivery.type,
      });
      this.#issued(await this.#store.refresh(result.id));
    }
    return { created: result.created, subscription: await this.read(name) };
  }

  /** A refusal is reported like a delivery that fails, because the operator can allow the URL. */
  #checkWebhook(name: string, url: string): void {
    try {
      this.#webhookPolicy.check(url);
    } catch (error) {
      const reason = messageOf(error);
      this.#parts.telemetry.report({ event: "webhook_refused", subscription: name, reason });
      throw error;
    }
  }

  /** Why wake events could not be appended to this stream, or null (section 7.2). */
  async #refuseWakeStream(path: string): Promise<Refusal | null> {
    let stream;
    try {
      stream = await this.#parts.streams.inspect(path);
    } catch (error) {
      const kind = error instanceof Refused ? error.refusal.kind : null;
      if (kind !== "not_found" && kind !== "gone") throw error;
      return invalid("WAKE_STREAM_NOT_FOUND", "there is no stream at wake_stream: create it first");
    }
    if (stream.closed) return invalid("WAKE_STREAM_CLOSED", "the wake_stream is closed");
    if (isJsonMode(stream.contentType)) return null;
    return invalid(
      "WAKE_STREAM_NOT_JSON",
      `wake events are JSON, and the wake_stream's content type is ${stream.contentType}`,
    );
  }

  /** Those of which `shows` says that the reader may see them, in byte order of their ids. */
  list(page: PageRequest, shows: (id: string) => boolean): Promise<SubscriptionsPage> {
    return listSubscriptions(this.#parts.database, page, shows);
  }

  /** GET (section 6.3). @throws Refused */
  async read(name: string) {
    const row = await this.#find(name);
    const links = await this.#store.links(row.id);
    const outer = namesFor(name);
    return {
      id: outer(name),
      subscription_id: outer(name),
      type: row.type,
      pattern: row.pattern === null ? null : outer(row.pattern),
      streams: links.map(({ path, explicit, acked, acked_generation }) => ({
        path: outer(path),
        link_type: explicit ? "explicit" : "glob",
        acked_offset: encodeOffset({ position: acked, generation: acked_generation }),
      })),
      webhook: row.webhook_url === null
        ? null
        : { url: row.webhook_url, signing: await this.#signing() },
      wake_stream: row.wake_stream === null ? null : outer(row.wake_stream),
      lease_ttl_ms: row.lease_ttl_ms,
      created_at: row.created,
      status: row.failures > 0 ? "failed" : "active",
      description: row.description,
    };
  }

  /** DELETE: whatever is in flight is fenced from now on. Deleting what is not there is no error. */
  async remove(name: string): Promise<void> {
    if (await this.#store.remove(name)) {
      this.#parts.telemetry.report({ event: "subscription_deleted", subscription: name });
    }
  }

  /** Section 6.4. @throws Refused */
  async addStreams(name: string, paths: readonly string[]): Promise<void> {
    const row = await this.#find(name);
    if (row.wake_stream !== null && paths.includes(row.wake_stream)) throw wakesItself();
    const id = await this.#store.addStreams(name, paths);
    if (id === null) throw new Refused({ kind: "subscription_not_found" });
    this.#issued(await this.#store.refresh(id));
  }

  /** Section 6.4. @throws Refused */
  async removeStream(name: string, path: string): Promise<void> {
    if (await this.#store.removeStream(name, path) === null) {
      throw new Refused({ kind: "subscription_not_found" });
    }
  }

  /** Section 7.2. @throws Refused */
  async claim(name: string, worker: string) {
    let claim = await this.#store.claim(name, worker);
    if (claim.outcome === "no_pending_work") {
      // Also when none is left to match: the dispatcher may have matched it since the first claim.
      await this.#matchNewStreams();
      claim = await this.#store.claim(name, worker);
    }
    switch (claim.outcome) {
      case "not_found":
        throw new Refused({ kind: "subscription_not_found" });
      case "not_pull_wake":
        throw invalidRequest("only pull-wake subscriptions are claimed");
      case "no_pending_work":
        throw new Refused({ kind: "no_pending_work" });
      case "already_claimed":
        throw new Refused({
          kind: "already_claimed",
          holder: claim.holder,
          generation: claim.generation,
        });
      case "claimed": {
        const outer = namesFor(name);
        const { id, generation, wake_id, lease_ttl_ms } = claim;
        this.#parts.telemetry.report({
          event: "lease_claimed",
          subscription: name,
          generation,
          holder: worker,
        });
        this.#dispatcher.pollIn(lease_ttl_ms + 5);
        return {
          wake_id,
          generation,
          token: await this.#tokens.issue(name, generation),
          streams: (await this.#store.wakeStreams(id)).map((link) => shownInWake(link, outer)),
          lease_ttl_ms,
        };
      }
    }
  }

  /**
   * A webhook's callback or a worker's ack (sections 7.1 and 7.2).
   * @param id as the request's path has it: the token says in which namespace
   * @throws Refused
   */
  async ack(id: string, type: SubscriptionRow["type"], request: AckRequest) {
    const row = await this.#verify(id, type, request);
    const { generation, wakeId, done } = request;
    const namespace = namespaceOfName(row.name);
    const acks = request.acks.map((ack) => ({ ...ack, path: storedName(namespace, ack.path) }));
    const result = await this.#store.ack({ id: row.id, generation, wakeId }, acks, {
      done,
      trusted: false,
    });
    this.#deliverNext(row, result.next_generation);
    this.#dispatcher.cursorsMoved(result.streams);
    switch (result.outcome) {
      case "not_found":
        throw new Refused({ kind: "subscription_not_found" });
      case "invalid_offset":
        // It begins with the path.
        throw new Refused({
          kind: "ack_offset_invalid",
          message: outerName(namespace, result.detail ?? "") ?? "",
        });
      case "fenced":
      case "expired":
        throw this.#fenced(row, type === "webhook" ? "callback" : "ack");
      case "ok":
        if (!done) this.#dispatcher.pollIn(row.lease_ttl_ms + 5);
        return { ok: true, next_wake: done && await this.#hasNext(row, result.next_generation) };
    }
  }

  /**
   * Whether a wake follows the one that has just ended: one that its end issued, or one for streams
   * that were created a moment ago, whether they are matched here or were by another node meanwhile.
   */
  async #hasNext({ name, generation }: SubscriptionRow, issued: number | null): Promise<boolean> {
    if (issued !== null) return true;
    await this.#matchNewStreams();
    const row = await this.#store.find(name);
    return row !== null && row.generation > generation;
  }

  /** Section 7.2. @param id as for `ack` @throws Refused */
  async release(id: string, request: WakeRequest): Promise<void> {
    const row = await this.#verify(id, "pull-wake", request);
    const { generation, wakeId } = request;
    const result = await this.#store.release({ id: row.id, generation, wakeId });
    this.#deliverNext(row, result.next_generation);
    if (result.outcome === "not_found") throw new Refused({ kind: "subscription_not_found" });
    if (result.outcome !== "ok") throw this.#fenced(row, "release");
  }

  /** Section 6.5. */
  async jwks(): Promise<{ keys: PublishedKey[] }> {
    return { keys: await this.#keys.published() };
  }

  async #find(name: string): Promise<SubscriptionRow> {
    const row = await this.#store.find(name);
    if (row === null) throw new Refused({ kind: "subscription_not_found" });
    return row;
  }

  /** That the token is for this subscription and the request's generation; the rest is SQL's. */
  async #verify(
    id: string,
    type: SubscriptionRow["type"],
    { token, generation }: WakeRequest,
  ): Promise<SubscriptionRow> {
    // Before the subscription is loaded: without a token nobody learns which subscriptions there are.
    const verified = await this.#tokens.verify(token, id);
    const row = await this.#find(verified.name);
    if (row.type !== type) throw invalidRequest(`this is not a ${type} subscription`);
    if (verified.generation !== generation) throw this.#fenced(row, "token");
    return row;
  }

  #fenced(row: SubscriptionRow, operation: string): Refused {
    this.#parts.telemetry.report({ event: "request_fenced", subscription: row.name, operation });
    return new Refused({ kind: "fenced" });
  }

  /** Links streams that came a moment ago: a claim after a create's answer finds its work. */
  async #matchNewStreams(): Promise<void> {
    const fresh = await this.#store.newStreams();
    if (fresh.length > 0) this.#issued(await this.#store.issueWakes(fresh));
  }

  #issued(wakes: readonly IssuedWake[]): void {
    for (const wake of wakes) this.#deliverer.deliver(wake);
  }

  #deliverNext({ id, name }: SubscriptionRow, generation: number | null): void {
    if (generation !== null) this.#deliverer.deliver({ id, name, generation });
  }

  async #signing() {
    const { kid } = await this.#keys.current("webhook");
    return { alg: "ed25519", kid, jwks_url: `${this.#parts.publicUrl()}${JWKS_PATH}` };
  }
}

/** Where the signing keys are published. */
export const JWKS_PATH = "/v1/stream/__ds/jwks.json";

export function wakesItself(): Refused {
  return invalidRequest("a subscription cannot wake on its own wake_stream");
}
