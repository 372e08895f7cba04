/** The seam to Deno's and Bun's HTTP servers. */
import { yieldToEventLoop } from "../lib/event_loop.ts";
import { BaseService } from "../lib/service.ts";
import type { Certificate } from "../lib/certificate.ts";
import { MOST_SEGMENTS } from "../protocol/stream_path.ts";

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
    const scheme = this.#options.certificate === null ? "http" : "https";
    return `${scheme}://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  protected override onStart(): void {
    this.#listener = listen(this.#options);
  }

  /** From now on each response says that it is the last one of its connection. */
  endConnections(): void {
    this.#listener?.endConnections();
  }

  /**
   * New connections get this certificate. Those that are open stay, with the old one, until their
   * requests in progress are answered and their live reads end. Resolves when no listener has the old
   * one any more.
   */
  async renew(certificate: Certificate): Promise<void> {
    await this.#listener?.renew(certificate);
  }

  /** Takes no new connection; resolves when the requests in progress are answered. */
  protected override async onStop(): Promise<void> {
    await this.#listener?.shutdown();
  }
}

interface Listener {
  readonly hostname: string;
  readonly port: number;
  endConnections(): void;
  renew(certificate: Certificate): Promise<void>;
  shutdown(): Promise<void>;
}

/**
 * What `request.url` holds: the target as it was sent; one that the runtime has rewritten; or one
 * that no route matches, which may have been rewritten.
 */
export type TargetState = "as_sent" | "rewritten" | "unmatched";

/** What a runtime tells of a request beside it. A function for its address would cost each request one. */
export type Connection = Deno.ServeHandlerInfo | Bun.Server<undefined>;

export type Handler = (
  request: Request,
  target: TargetState,
  connection: Connection,
) => Promise<Response>;

/** The address that a request comes from; null where it is not known any more. */
export function addressOf(request: Request, connection: Connection): string | null {
  if ("requestIP" in connection) return connection.requestIP(request)?.address ?? null;
  // A getter that asks the runtime: read only when somebody wants it.
  const { remoteAddr } = connection;
  return "hostname" in remoteAddr ? remoteAddr.hostname : null;
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly handler: Handler;
  /** Other processes listen on this address too, and the system distributes the connections. */
  readonly sharedPort: boolean;
  /** Null: plain HTTP. */
  readonly certificate: Certificate | null;
}

/** Milliseconds before listening again after accepting has failed. */
const AGAIN_MS = 100;

/**
 * The body of a response to HEAD of which no length is said: what GET would send depends on where its
 * page ends. Both runtimes say `Content-Length: 0` of no body, unless it is a stream (Deno), or is
 * said to come in chunks (Bun).
 */
export function bodyOfUnknownLength(
  headers: [string, string][],
): ReadableStream<Uint8Array> | null {
  if (typeof Deno !== "undefined") {
    return new ReadableStream({ start: (controller) => controller.close() });
  }
  headers.push(["Transfer-Encoding", "chunked"]);
  return null;
}

/**
 * Seconds without a byte in either direction after which Bun closes a connection; Deno does not.
 */
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

/** Says of each response of the handler that it is the last one of its connection. */
function endingConnections(handler: Handler): Handler {
  return async (request, target, peer) => {
    const response = await handler(request, target, peer);
    response.headers.set("Connection", "close");
    return response;
  };
}

/** Deno ends the process that asks for a shared port where this is not switched on. */
function denoSharesPorts(): boolean {
  return Deno.build.standalone || "listenDatagram" in Deno;
}

/**
 * Turns of the event loop after which Deno has closed a listener that was shut down. By the sockets
 * that the system listed it was one turn without open connections, and two with one.
 */
const CLOSING_TURNS = 8;

function listenOnDeno({ hostname, port, ...options }: ListenOptions): Listener {
  const draining = new Set<Promise<void>>();
  let { certificate, handler } = options;
  // Neither runtime has another certificate for a listener: the next one takes its place beside it.
  const reusePort = options.sharedPort || (certificate !== null && denoSharesPorts());
  let stopping = false;
  const serve = (port: number) => {
    const server = Deno.serve(
      { hostname, port, reusePort, onListen: () => {}, ...certificate ?? {} },
      // Deno hands the target on as it was sent.
      (request, info) => handler(request, "as_sent", info),
    );
    // An error that ends Deno's accepting, such as having no file descriptor left, ends it for
    // good, and the process with it when it is not handled. Open connections stay.
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
  const renew = async (next: Certificate) => {
    certificate = next;
    const old = server;
    if (reusePort) server = serve(address.port);
    const drained = old.shutdown().finally(() => draining.delete(drained));
    draining.add(drained);
    if (!reusePort) again();
    // Until the old listener is closed it takes some of the new connections, and drops them.
    for (let turn = 0; turn < CLOSING_TURNS; turn++) await yieldToEventLoop();
  };
  return {
    hostname: address.hostname,
    port: address.port,
    endConnections: () => {
      handler = endingConnections(options.handler);
    },
    renew,
    async shutdown() {
      stopping = true;
      await Promise.all([...draining, server.shutdown()]);
    },
  };
}

/**
 * Bun resolves `..`, `.` and `\\` in `request.url`, encoded ones too, before a handler sees it. Its
 * router matches the target as it was sent and hands over the segments, so there is a route for
 * each number of segments, and a target that no route matches has been rewritten, or is no
 * stream's.
 */
function listenOnBun({ hostname, port, ...options }: ListenOptions): Listener {
  const draining = new Set<Promise<void>>();
  let { certificate, handler } = options;
  const serve = (request: Bun.BunRequest, server: Bun.Server<undefined>) => {
    // A follower's connection is idle while its stream is, and Bun would close it.
    if (request.url.includes("live=")) server.timeout(request, 0);
    const state = isRewritten(request.params) ? "rewritten" : "as_sent";
    return handler(request, state, server);
  };
  const routes: Record<string, typeof serve> = {};
  for (const path of ["/", "/health", "/live", "/ready", "/metrics"]) routes[path] = serve;
  for (const path of ["", "/", "/:s1", "/:s1/:s2"]) routes[`/_penstock${path}`] = serve;
  let pattern = "/v1/stream";
  for (let depth = 1; depth <= MOST_SEGMENTS; depth++) {
    pattern += `/:s${depth}`;
    routes[pattern] = serve;
  }
  const listenAt = (port: number) =>
    Bun.serve({
      hostname,
      port,
      reusePort: options.sharedPort || certificate !== null,
      ...certificate === null ? {} : { tls: certificate },
      routes,
      fetch: (request, server) => handler(request, "unmatched", server),
      // Closes connections whose request is incomplete or never starts.
      idleTimeout: IDLE_S,
      // The router answers 413 itself, with a body; Bun discards what is not read as it arrives.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    });
  let server = listenAt(port);
  return {
    hostname: server.hostname ?? hostname,
    port: server.port ?? port,
    endConnections: () => {
      handler = endingConnections(options.handler);
    },
    renew(next) {
      certificate = next;
      const old = server;
      server = listenAt(old.port ?? port);
      const drained = old.stop(false).finally(() => draining.delete(drained));
      draining.add(drained);
      return Promise.resolve();
    },
    async shutdown() {
      await Promise.all([...draining, server.stop(false)]);
    },
  };
}

function isRewritten(segments: Readonly<Record<string, string>>): boolean {
  for (const name in segments) {
    const segment = segments[name]!;
    if (segment === "." || segment === ".." || segment.includes("\\")) return true;
  }
  return false;
}
