/** The seam to Deno's and Bun's HTTP servers. */

export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Takes no new connection; resolves when the requests under way are answered. */
  shutdown(): Promise<void>;
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly handler: (request: Request) => Promise<Response>;
  /** Other processes listen there too, and the system shares the connections out. */
  readonly sharedPort: boolean;
}

/** Milliseconds before listening again after accepting has failed. */
const AGAIN_MS = 100;

/** Seconds without a byte in either direction after which Bun closes a connection; Deno does not. */
const IDLE_S = 120;

/** @throws Error that names the address when it cannot be had. */
export function listen(options: ListenOptions): Listener {
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
    // What ends Deno's accepting, such as having no file descriptor left, ends it for good, and
    // the process with it if nobody minds. The connections that are open stay.
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
    // Who has begun a request and does not go on, or does not begin one at all.
    idleTimeout: IDLE_S,
    // We answer 413 ourselves, with a body; what nobody reads Bun throws away as it comes.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  });
  return {
    hostname: server.hostname ?? hostname,
    port: server.port ?? port,
    shutdown: () => server.stop(false),
  };
}
