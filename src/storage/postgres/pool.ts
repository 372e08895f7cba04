/** The connections that statements are sent on, and what becomes of those they replace. */
import type { DriverClient } from "./driver/client.ts";

export interface PoolParts {
  /** Opens a client of so many connections. */
  readonly open: (connections: number) => DriverClient;
  readonly connections: number;
  /** How long replaced connections may wait for their answers, milliseconds. */
  readonly drainMs: number;
}

export class ConnectionPool {
  readonly #parts: PoolParts;
  #client: DriverClient;
  /** Clients that get no more statements and still wait for answers. */
  readonly #draining = new Map<DriverClient, ReturnType<typeof setTimeout>>();

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#client = parts.open(parts.connections);
  }

  /** Where new statements go. It changes. */
  get client(): DriverClient {
    return this.#client;
  }

  /** A client of one connection that is not of the pool. */
  openSingle(): DriverClient {
    return this.#parts.open(1);
  }

  /**
   * Replaces all connections at once, and fails the statements on them, draining ones included:
   * they lead to a server that is not the primary.
   * @returns false when `client` has been replaced already, and nothing is done
   */
  replace(client: DriverClient): boolean {
    if (client !== this.#client) return false;
    this.#client = this.#parts.open(this.#parts.connections);
    client.end().catch(() => {});
    this.#endDraining();
    return true;
  }

  /**
   * Replaces all connections, and closes each one when it waits for no answer: where one is
   * half-open, the others very likely are too, and statements that are still answered lose nothing.
   * @returns false when `client` has been replaced already, and nothing is done
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
    // postgres.js waits even for statements whose connection is gone, so its wait is bounded.
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
