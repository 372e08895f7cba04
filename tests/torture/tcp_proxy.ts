/** A TCP proxy that fails in the ways networks do, and can be pointed elsewhere while it runs. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of a connection that stands: nothing passes, or only what the client says. */
export type Stall = "both" | "answers";

/** Which connections: those that wait for NOTIFY, or those that were stalled. */
export type Which = "all" | "listening" | "stalled";

export interface Target {
  readonly host: string;
  readonly port: number;
}

const latin1 = new TextDecoder("latin1");

interface Queued {
  /** As `performance.now()`. */
  readonly due: number;
  act(): void;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  stall: Stall | null;
  /** What is on its way, each way. */
  readonly queue: { readonly up: Queued[]; readonly down: Queued[] };
  /** LISTEN has passed: this connection is the one that waits for NOTIFY. */
  listens: boolean;
}

export class TcpProxy {
  readonly port: number;
  /** Milliseconds that every chunk takes, each way. */
  delayMs = 0;
  /** New connections are closed at once. */
  refusing = false;
  /** Null: new connections are closed at once, there is nothing behind. */
  #target: Target | null;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();

  private constructor(server: Server, target: Target | null) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => this.#accept(client));
  }

  static async start(target: Target | null = null): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpProxy(server, target);
  }

  /** Where new connections go from now on. */
  point(target: Target | null): void {
    this.#target = target;
  }

  /** Ends connections. Returns how many. */
  cut(which: Which = "all"): number {
    return this.#each(which, ({ client, server }) => {
      client.destroy();
      server.destroy();
    });
  }

  /** For ever: a connection that dies without a word. Returns how many. */
  stall(how: Stall, which: Which = "all"): number {
    return this.#each(which, (pair) => pair.stall = how);
  }

  stop(): void {
    this.refusing = true;
    this.cut();
    this.#server.close();
  }

  #each(which: Which, act: (pair: Pair) => void): number {
    const pairs = [...this.#pairs].filter((pair) =>
      which === "all" || (which === "listening" ? pair.listens : pair.stall !== null)
    );
    pairs.forEach(act);
    return pairs.length;
  }

  #accept(client: Socket): void {
    client.on("error", () => {});
    if (this.refusing || this.#target === null) {
      client.destroy();
      return;
    }
    const server = connect(this.#target);
    const pair: Pair = {
      client,
      server,
      stall: null,
      listens: false,
      queue: { up: [], down: [] },
    };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    server.on("error", () => client.destroy());
    client.on("data", (bytes: Uint8Array) => {
      pair.listens ||= /\blisten "/i.test(latin1.decode(bytes));
      if (pair.stall !== "both") this.#later(pair, "up", () => pass(bytes, client, server));
    });
    server.on("data", (bytes: Uint8Array) => {
      if (pair.stall === null) this.#later(pair, "down", () => pass(bytes, server, client));
    });
    client.on("close", () => {
      this.#pairs.delete(pair);
      server.destroy();
    });
    server.on("close", () => {
      // A half-open connection does not pass on that its other end has closed.
      if (pair.stall === null) this.#later(pair, "down", () => client.destroy());
    });
  }

  #later(pair: Pair, way: "up" | "down", act: () => void): void {
    const { queue } = pair;
    if (this.delayMs === 0 && queue[way].length === 0) return act();
    queue[way].push({ due: performance.now() + this.delayMs, act });
    // In order, whatever the timers do: one is set at a time.
    if (queue[way].length === 1) pump(queue[way]);
  }
}

function pump(queue: Queued[]): void {
  const next = queue[0];
  if (next === undefined) return;
  setTimeout(() => {
    next.act();
    queue.shift();
    pump(queue);
  }, Math.max(0, next.due - performance.now()));
}

function pass(bytes: Uint8Array, from: Socket, to: Socket): void {
  if (to.destroyed || to.write(bytes)) return;
  from.pause();
  to.once("drain", () => from.resume());
}
