/** The connections that statements are sent on, and the draining ones that they have replaced. */
import type { DriverClient } from "./driver/client.ts";

export interface PoolParts {
  /** Opens a client with this many connections. */
  readonly open: (connections: number) => DriverClient;
  readonly connections: number;
  /** How long draining connections may wait for the answers to their statements, milliseconds. */
  readonly drainMs: number;
}

export class ConnectionPool {
  readonly #parts: PoolParts;
  #client: DriverClient;
  /** Clients that get no new statements and still wait for answers, each with its time limit. */
  readonly #draining = new Map<DriverClient, ReturnType<typeof setTimeout>>();

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#client = parts.open(parts.connections);
  }

  /** The client for new statements. It changes when the connections are replaced. */
  get client(): DriverClient {
    return this.#client;
  }

  /** Opens a client with one connection that does not belong to the pool. */
  openSingle(): DriverClient {
    return this.#parts.open(1);
  }

  /**
   * Replaces all connections at once, including draining ones, and fails the statements on them:
   * they lead to a server that is not the primary.
   * @returns false, without doing anything, when `client` has been replaced already
   */
  replace(client: DriverClient): boolean {
    if (client !== this.#client) return false;
    this.#client = this.#parts.open(this.#parts.connections);
    client.end().catch(() => {});
    this.#endDraining();
    return true;
  }

  /**
   * Replaces all connections, and closes each old one as soon as it waits for no answer. When one
   * connection is half-open the others very likely are too; statements on those that are not still
   * get their answers.
   * @returns false, without doing anything, when `client` has been replaced already
   */
  drain(client: DriverClient): boolean {
    if (client !== this.#client) return false;
    this.#client = this.#parts.open(this.#parts.connections);
    client.drain().catch(() => {});
    const end = () => this.#endDraining([client]);
    this.#draining.set(client, setTimeout(end, this.#parts.drainMs));
    return true;
  }

  /** Closes all connections. Statements in progress have a second to end. */
  async close(): Promise<void> {
    this.#endDraining();
    // postgres.js waits even for statements whose connection is lost, so the wait is bounded.
    await this.#client.end(1);
  }

  #endDraining(clients: Iterable<DriverClient> = this.#draining.keys()): void {
    for (const client of [...clients]) {
      clearTimeout(this.#draining.get(client));
      this.#draining.delete(client);
      client.end().catch(() => {});
    }
  }
}
