/** A TCP proxy in front of PostgreSQL that can be made to fail in the ways networks do. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * `open`: passes everything on. `refuse`: cuts what there is and closes what comes. `silent`:
 * takes connections and bytes and passes nothing on, neither way. `deaf`: passes on what clients say
 * and cuts the connection when it is answered, so that whoever asked never knows what became of it.
 */
export type Mode = "open" | "refuse" | "silent" | "deaf";

interface Pair {
  readonly client: Socket;
  readonly server: Socket | undefined;
  /** For ever: its packets go nowhere, and nobody says so. */
  stalled: boolean;
}

export class Proxy {
  /** Connections taken, and turned away, so far. */
  opened = 0;
  refused = 0;
  readonly url: string;
  readonly #server: Server;
  #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  /** The server's ends of stalled pairs that clients have left: nobody tells it. */
  readonly #forgotten = new Set<Socket>();
  #mode: Mode = "open";

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = addressOf(target);
    const url = new URL(target);
    url.hostname = "127.0.0.1";
    url.port = String((server.address() as AddressInfo).port);
    this.url = url.href;
    server.on("connection", (client) => this.#accept(client));
  }

  /** In front of the server of this URL. */
  static async start(databaseUrl: string): Promise<Proxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Proxy(server, new URL(databaseUrl));
  }

  /** Connections that stand now, and lead somewhere. */
  get connections(): number {
    return [...this.#pairs].filter(({ stalled }) => !stalled).length;
  }

  set(mode: Mode): void {
    this.#mode = mode;
    if (mode === "refuse") this.cut();
  }

  /** Connections that come from now on go to the server of this URL. */
  lead(databaseUrl: string): void {
    this.#target = addressOf(new URL(databaseUrl));
  }

  /** Ends every connection, as a database does that restarts. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server?.destroy();
    }
    this.#pairs.clear();
  }

  /** What stands now goes nowhere any more, the last `count`, as behind a firewall that forgot it. */
  stall(count = Infinity): void {
    for (const pair of [...this.#pairs].slice(-count)) pair.stalled = true;
  }

  stop(): void {
    this.cut();
    for (const server of this.#forgotten) server.destroy();
    this.#server.close();
  }

  #accept(client: Socket): void {
    client.on("error", () => {});
    if (this.#mode === "refuse") {
      this.refused++;
      client.destroy();
      return;
    }
    this.opened++;
    const server = this.#mode === "silent" ? undefined : connect(this.#target);
    const pair: Pair = { client, server, stalled: server === undefined };
    this.#pairs.add(pair);
    const lost = () => pair.stalled || this.#mode === "silent";
    server?.on("error", () => client.destroy());
    client.on("data", (bytes) => {
      if (!lost()) server?.write(bytes);
    });
    server?.on("data", (bytes) => {
      if (this.#mode === "deaf") return void client.destroy();
      if (!lost()) client.write(bytes);
    });
    client.on("close", () => {
      this.#pairs.delete(pair);
      if (!lost()) server?.destroy();
      else if (server !== undefined) this.#forgotten.add(server);
    });
    server?.on("close", () => {
      if (!lost()) client.destroy();
    });
  }
}

function addressOf(url: URL): { host: string; port: number } {
  return { host: url.hostname, port: Number(url.port || 5432) };
}
