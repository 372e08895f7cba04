/** What one principal, or one address, may ask of this node: requests and bytes in a time, live reads. */
import { LRUCache } from "lru-cache";
import { ANONYMOUS, type Principal } from "../access/principal.ts";
import { RateLimits, type Rates } from "../access/rate_limits.ts";
import { RefusalReports } from "../access/refusal_reports.ts";
import type { Refusal } from "../errors.ts";
import { clientAddress, networkOfClient } from "../lib/client_address.ts";
import type { Network } from "../lib/network_targets.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { respondRefusal } from "./error_responses.ts";
import type { BodyReader } from "./request_body.ts";
import type { RequestTarget } from "./request_target.ts";

/** A client's address; null where it is not known any more. */
type Client = () => string | null;

export interface RequestLimitsOptions {
  readonly rates: Rates;
  /** Long-polls and SSE connections of one principal at once; null: any number. */
  readonly maxLivePerPrincipal: number | null;
  /** Whose X-Forwarded-For counts. */
  readonly trustedProxies: readonly Network[];
}

export interface LimitedRequest {
  readonly request: Request;
  readonly target: RequestTarget;
  /** Null: there is no access control. */
  readonly principal: Principal | null;
  /** The client's address, as `clientOf` gives it. */
  readonly client: Client;
}

/** A response that goes on is one live read: calls what this returns when it has ended. */
export type KeepLive = () => () => void;

/** Serves a request with what counts for its sender. */
type Serve = (bodies: BodyReader, keepLive?: KeepLive) => Promise<Response>;

const MOST_NETWORKS = 10_000;

export class RequestLimits {
  readonly #options: RequestLimitsOptions;
  readonly #rates: RateLimits;
  readonly #reports: RefusalReports;
  readonly #live = new Map<string, number>();
  /** An address and its network: most requests come from a few. */
  readonly #networks = new LRUCache<string, string>({ max: MOST_NETWORKS });

  constructor(options: RequestLimitsOptions, telemetry: Telemetry) {
    this.#options = options;
    this.#rates = new RateLimits(options.rates);
    this.#reports = new RefusalReports(telemetry);
  }

  /** Whether requests are counted at all. */
  get counts(): boolean {
    return this.#options.rates.size > 0 || this.#options.maxLivePerPrincipal !== null;
  }

  /** The address of the client, behind proxies that are trusted. */
  clientOf(request: Request, peer: Client): Client {
    const { trustedProxies } = this.#options;
    if (trustedProxies.length === 0) return peer;
    const forwardedFor = request.headers.get("x-forwarded-for");
    return () => clientAddress(peer(), forwardedFor, trustedProxies);
  }

  /** Serves a request of a stream, unless it is one too many. */
  serve(limited: LimitedRequest, bodies: BodyReader, serve: Serve): Promise<Response> {
    const account = this.#accountOf(limited);
    // By `then` and not by `await`, which would cost each request two promises more.
    return this.#rates.admit(account, limited.request.method).then((refusal) => {
      if (refusal !== null) return this.#refuse(refusal, limited);
      const counted = this.#counted(bodies, account);
      const { maxLivePerPrincipal: most } = this.#options;
      const live = most !== null && isLive(limited);
      return live
        ? this.#serveLive(limited, { account, most }, (keepLive) => serve(counted, keepLive))
        : serve(counted);
    });
  }

  async #serveLive(
    limited: LimitedRequest,
    { account, most }: { readonly account: string; readonly most: number },
    serve: (keepLive: KeepLive) => Promise<Response>,
  ): Promise<Response> {
    const end = this.#beginLive(account, most);
    if (end === null) return this.#refuse({ kind: "too_many_live", limit: most }, limited);
    let kept = false;
    const keepLive = () => {
      kept = true;
      return end;
    };
    try {
      return await serve(keepLive);
    } finally {
      if (!kept) end();
    }
  }

  #accountOf({ principal, client }: LimitedRequest): string {
    if (principal !== null && principal.name !== ANONYMOUS) return principal.name;
    const address = client() ?? "unknown";
    let network = this.#networks.get(address);
    if (network === undefined) {
      network = networkOfClient(address);
      this.#networks.set(address, network);
    }
    return network;
  }

  #counted(bodies: BodyReader, account: string): BodyReader {
    if (!this.#options.rates.has("bytes")) return bodies;
    return {
      read: async (request, limit) => {
        const body = await bodies.read(request, limit);
        if (body.length > 0) this.#rates.charge(account, body.length);
        return body;
      },
    };
  }

  /** What ends it, or null where there are as many as there may be. */
  #beginLive(account: string, most: number): (() => void) | null {
    const count = this.#live.get(account) ?? 0;
    if (count >= most) return null;
    this.#live.set(account, count + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const left = this.#live.get(account)! - 1;
      if (left === 0) this.#live.delete(account);
      else this.#live.set(account, left);
    };
  }

  #refuse(refusal: Refusal, limited: LimitedRequest): Response {
    this.report(refusal, limited);
    return respondRefusal(refusal);
  }

  /** Reports a refusal that another part decided on. */
  report(refusal: Refusal, { request, target, principal, client }: LimitedRequest): void {
    this.#reports.refused({
      principal: principal?.name ?? "everybody",
      address: client(),
      method: request.method,
      path: target.path,
      reason: refusal.kind,
    });
  }
}

/** Parsed as the route parses it: a name that is percent-encoded is the same name. */
function isLive({ request, target: { query } }: LimitedRequest): boolean {
  return request.method === "GET" && query !== "" && new URLSearchParams(query).has("live");
}
