/**
 * Which hosts a node answers for, and which web pages may use it. A server without access control
 * is open to every page that a browser on the same machine opens: the page can send requests across
 * origins, or reach the server by a name that is made to resolve to this machine (DNS rebinding).
 */
import { isIP } from "node:net";
import type { Refusal } from "../errors.ts";
import { allowOrigin } from "./respond.ts";

export interface OriginPolicyOptions {
  /** The address listened on. */
  readonly listenHost: string;
  /** Host names, without ports, that the operator adds; `*` admits every one. */
  readonly allowedHosts: readonly string[];
  /** `https://host`, or null. */
  readonly publicUrl: string | null;
  /** Origins, `https://app.example.com`; `*` admits every one. */
  readonly corsOrigins: readonly string[];
}

export class OriginPolicy {
  readonly #options: OriginPolicyOptions;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #allowsAny: boolean;
  /** Hosts that were admitted, with their ports: nearly all requests name one of a few. */
  readonly #admitted = new Set<string>();

  constructor(options: OriginPolicyOptions) {
    this.#options = options;
    const own = options.publicUrl === null ? [] : [new URL(options.publicUrl).hostname];
    this.#hosts = new Set([...options.allowedHosts.map((host) => host.toLowerCase()), ...own]);
    this.#origins = new Set(options.corsOrigins);
    this.#allowsAny = this.#origins.has("*");
  }

  /** Lets the page that a request came from read the response, if it may use the server. */
  expose(response: Response, origin: string | null, host: string | null): Response {
    if (this.#allowsAny) return allowOrigin(response, "*");
    return origin !== null && this.allowsOrigin(origin, host)
      ? allowOrigin(response, origin)
      : response;
  }

  /** Whether pages of every origin may use the server. */
  get allowsAny(): boolean {
    return this.#allowsAny;
  }

  /**
   * Why a request for this host is not answered, or null. A request without Host is no browser's.
   */
  refuseHost(host: string | null): Refusal | null {
    if (host === null || this.#admitted.has(host)) return null;
    if (!this.#hosts.has("*") && !this.#admits(nameOf(host))) return { kind: "misdirected", host };
    // A client may make up as many ports as it likes.
    if (this.#admitted.size < 1000) this.#admitted.add(host);
    return null;
  }

  /**
   * Whether a page of this origin may use the server, reached by this host: pages of the same host
   * may, whatever their port, and those that the operator names.
   * @param origin the Origin header
   */
  allowsOrigin(origin: string, host: string | null): boolean {
    if (this.allowsAny || this.#origins.has(origin)) return true;
    if (host === null || !URL.canParse(origin)) return false;
    const page = new URL(origin).hostname;
    const own = nameOf(host);
    return page === own || (isLoopbackName(page) && isLoopbackName(own));
  }

  /**
   * Whether a URL with this host is one of this server's, for a client that reached it by
   * `requestHost`: the same host, another of its names with the same port, or the public URL's.
   */
  isOwnHost(host: string, requestHost: string | null): boolean {
    const { publicUrl } = this.#options;
    if (publicUrl !== null && withoutDefaultPort(host) === new URL(publicUrl).host) return true;
    if (requestHost === null || portOf(host) !== portOf(requestHost)) return false;
    return nameOf(host) === nameOf(requestHost) || this.#admits(nameOf(host));
  }

  #admits(name: string): boolean {
    const { listenHost } = this.#options;
    if (this.#hosts.has(name) || isLoopbackName(name)) return true;
    if (name === listenHost.toLowerCase() || name === `[${listenHost}]`) return true;
    // An address is no name that could be made to point elsewhere.
    const everywhere = listenHost === "0.0.0.0" || listenHost === "::";
    return everywhere && isIP(name.replace(/^\[|\]$/g, "")) !== 0;
  }
}

/** The host without its port, in lower case. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, "").toLowerCase();
}

/** As digits; "" for the one that http or https implies. */
function portOf(host: string): string {
  return /:(\d+)$/.exec(withoutDefaultPort(host))?.[1] ?? "";
}

function withoutDefaultPort(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)?$/, "");
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" ||
    (name.startsWith("127.") && isIP(name) === 4);
}
