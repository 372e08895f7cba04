/**
 * The connection of one node to PostgreSQL, into which faults can be injected. The node has either
 * the addresses of both servers, and finds the primary itself, or one address, which always leads to
 * the primary.
 */
import { type Stall, type Target, TcpProxy, type Which } from "./tcp_proxy.ts";

export class NodeLink {
  readonly #proxies: readonly TcpProxy[];
  /** Whether there is one address for both servers; otherwise each server has its own proxy. */
  readonly #moves: boolean;

  private constructor(proxies: readonly TcpProxy[], moves: boolean) {
    this.#proxies = proxies;
    this.#moves = moves;
  }

  /** One address that leads to the current primary. */
  static async moving(primary: Target): Promise<NodeLink> {
    return new NodeLink([await TcpProxy.start(primary)], true);
  }

  static async toEach(servers: readonly Target[]): Promise<NodeLink> {
    return new NodeLink(await Promise.all(servers.map((one) => TcpProxy.start(one))), false);
  }

  /** As a URL names hosts. */
  get hosts(): string {
    return this.#proxies.map(({ port }) => `127.0.0.1:${port}`).join(",");
  }

  /** Another server is the primary now. */
  follow(primary: Target): void {
    if (!this.#moves) return;
    for (const proxy of this.#proxies) {
      proxy.point(primary);
      proxy.cut();
    }
  }

  /** New connections are closed at once. */
  set refusing(refusing: boolean) {
    for (const proxy of this.#proxies) proxy.refusing = refusing;
  }

  set delayMs(delayMs: number) {
    for (const proxy of this.#proxies) proxy.delayMs = delayMs;
  }

  cut(which: Which = "all"): void {
    for (const proxy of this.#proxies) proxy.cut(which);
  }

  stall(how: Stall, which: Which = "all"): void {
    for (const proxy of this.#proxies) proxy.stall(how, which);
  }

  stop(): void {
    for (const proxy of this.#proxies) proxy.stop();
  }
}
