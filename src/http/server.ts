/** The seam to Deno's and Bun's HTTP servers. */
import { BaseService } from "../lib/service.ts";

/** Listens on one address. */
export class HttpServer extends BaseService {
  readonly #options: ListenOptions;
  #listener: Listener | undefined;

  constructor(options: ListenOptions) {
    super();
    this.#options = options;
  }

  /** `http://host:port`, with the port that was picked where port 0 was asked for. */
  get url(): string {
    const { hostname, port } = this.#listener ?? this.#options;
    return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  protected override onStart(): void {
    this.#listener = listen(this.#options);
  }

  /** Takes no new connection; resolves when the requests in progress are answered. */
  protected override async onStop(): Promise<void> {
    await this.#listener?.shutdown();
  }
}

interface Listener {
  readonly hostname: string;
  readonly port: number;
  shutdown(): Promise<void>;
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly handler: (request: Request) => Promise<Response>;
  /** Other processes listen on this address too, and the system distributes the connections. */
  readonly sharedPort: boolean;
}

/** Milliseconds before listening again after accepting has failed. */
const AGAIN_MS = 100;

/** Seconds without a byte in either direction after which Bun closes a connection; Deno does not. */
const IDLE_S = 120;

/** @throws Error that names the address when it cannot be had. */
function listen(options: ListenOptions): Listener {
  try {
    return typeof Deno !== "undefined" ? listenOnDeno(options) : listenOnBun(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const { hostname, port } = options;
    throw new Error(`cannot listen on ${hostname} port ${port}: ${reason}`, { cause: error });
  }
}

function listenOnDeno({ hostname, port, handler, sharedPort }: ListenOptions): Listener {
  let stopping = false;
  const serve = (port: number) => {
    const server = Deno.serve(
      { hostname, port, reusePort: sharedPort, onListen: () => {} },
      handler,
    );
    // An error that ends Deno's accepting, such as having no file descriptor left, ends it for good,
    // and the process with it when it is not handled. Open connections stay.
    server.finished.catch(() => setTimeout(again, AGAIN_MS));
    return server;
  };
  const again = () => {
    if (stopping) return;
    try {
      server = serve(address.port);
    } catch {
      setTimeout(again, AGAIN_MS);
    }
  };
  let server = serve(port);
  const address = server.addr;
  return {
    hostname: address.hostname,
    port: address.port,
    shutdown: () => {
      stopping = true;
      return server.shutdown();
    },
  };
}

function listenOnBun({ hostname, port, handler, sharedPort }: ListenOptions): Listener {
  const server = Bun.serve({
    hostname,
    port,
    reusePort: sharedPort,
    fetch: (request, server) => {
      // A follower is silent for as long as its stream is.
      if (request.url.includes("live=")) server.timeout(request, 0);
      return handler(request);
    },
    // Closes connections whose request is incomplete or never starts.
    idleTimeout: IDLE_S,
    // The router answers 413 itself, with a body; Bun discards what is not read as it arrives.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  });
  return {
    hostname: server.hostname ?? hostname,
    port: server.port ?? port,
    shutdown: () => server.stop(false),
  };
}
