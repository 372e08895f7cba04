/**
 * Sockets for postgres.js, which would choose among several hosts by itself, and wrongly: on a
 * PostgreSQL of today its `read-write` takes standbys, and it tries dead hosts without a pause.
 */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PostgresHost } from "../postgres_url.ts";

export interface SocketOptions {
  readonly timeoutMs: number;
  /** Whoever wanted the connection is gone. */
  readonly signal: AbortSignal;
}

/** A connected socket. */
export function openSocket(host: PostgresHost, options: SocketOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // The name goes along: TLS wants to see it in the server's certificate.
    const socket = host.host.startsWith("/")
      ? connect(`${host.host}/.s.PGSQL.${host.port}`)
      : Object.assign(connect(host.port, host.host), { host: host.host });
    const end = (error?: Error) => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", abort);
      socket.removeListener("error", end);
      if (error === undefined) return resolve(socket);
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const abort = () => end(failure("CONNECTION_ENDED", "no longer wanted"));
    const timer = setTimeout(
      () => end(failure("CONNECT_TIMEOUT", `${host.host}:${host.port} does not answer`)),
      options.timeoutMs,
    );
    socket.once("error", end);
    socket.once("connect", () => end());
    if (options.signal.aborted) abort();
    else options.signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Fails with this error as soon as it is used. postgres.js takes a socket or waits for ever: a
 * rejected promise would leave its connection neither open nor closed.
 */
export function failedSocket(error: unknown): Socket {
  const cause = error instanceof Error ? error : new Error(String(error));
  return new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback(cause);
    },
  }) as unknown as Socket;
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
