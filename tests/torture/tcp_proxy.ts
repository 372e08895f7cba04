/** A TCP proxy that fails in the ways networks do, and can be pointed elsewhere while it runs. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of a connection that stands: nothing passes, or only what the client says. */
export type Stall = "both" | "answers";

export interface Target {
  readonly host: string;
  readonly port: number;
}

const latin1 = new TextDecoder("latin1");

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  stall: Stall | null;
  /** When what was passed on last arrives, each way: nothing overtakes it. */
  readonly arrives: { up: number; down: number };
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

  /** Ends connections: all, or only those that listen. Returns how many. */
  cut(which: "all" | "listening" = "all"): number {
    return this.#each(which, ({ client, server }) => {
      client.destroy();
      server.destroy();
    });
  }

  /** For ever: a connection that dies without a word. Returns how many. */
  stall(how: Stall, which: "all" | "listening" = "all"): number {
    return this.#each(which, (pair) => pair.stall = how);
  }

  stop(): void {
    this.refusing = true;
    this.cut();
    this.#server.close();
  }

  #each(which: "all" | "listening", act: (pair: Pair) => void): number {
    const pairs = [...this.#pairs].filter((pair) => which === "all" || pair.listens);
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
      arrives: { up: 0, down: 0 },
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
      // A dead connection says nothing of its other end either.
      if (pair.stall === null) this.#later(pair, "down", () => client.destroy());
    });
  }

  #later(pair: Pair, way: "up" | "down", act: () => void): void {
    const now = performance.now();
    const at = Math.max(now + this.delayMs, pair.arrives[way]);
    if (at <= now) return act();
    pair.arrives[way] = at;
    setTimeout(act, at - now);
  }
}

function pass(bytes: Uint8Array, from: Socket, to: Socket): void {
  if (to.destroyed || to.write(bytes)) return;
  from.pause();
  to.once("drain", () => from.resume());
}
