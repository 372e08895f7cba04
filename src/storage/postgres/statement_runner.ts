/**
 * Runs statements on the pool, each with a time limit. A statement that may run twice is sent again
 * when the connections turn out to be half-open.
 */
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { StatementTimeout } from "../database.ts";
import type { DriverClient } from "./driver/client.ts";
import { codeOf, NO_CONNECTION_LEFT, READ_ONLY, unavailableOr } from "./errors.ts";
import { Hedge } from "./hedge.ts";
import type { ConnectionPool } from "./pool.ts";
import type { PrimaryFinder } from "./primary.ts";

const RETRY_MS = 50;
/**
 * How much longer to wait for a statement than the server lets it run. The server cancels it before
 * that, so no answer by then means that the connection is half-open. Milliseconds.
 */
export const TIMEOUT_MARGIN_MS = 500;

export interface RunnerParts {
  readonly pool: ConnectionPool;
  readonly finder: PrimaryFinder;
  readonly timeoutMs: number;
  readonly report: (event: TelemetryEvent) => void;
}

export interface RunOptions {
  /** The time limit, as a multiple of that of one statement. Default: 1. */
  readonly times?: number;
  /** Whether it may run twice. If so, it is sent again when the pool is replaced. */
  readonly repeats?: boolean;
  /** Whether it is hedged, see `Hedge`. Only for statements that may run twice. */
  readonly hedged?: boolean;
}

type Send<T> = (client: DriverClient) => Promise<T>;

export class StatementRunner {
  readonly #parts: RunnerParts;
  readonly #hedge: Hedge;
  /** For each statement in progress that may run twice, a function that sends it again. */
  readonly #repeats = new Set<() => void>();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#hedge = new Hedge(() => parts.pool.openSingle());
  }

  /**
   * @throws StatementTimeout when there is no answer within the time limit
   * @throws DatabaseUnavailable when the server cannot be reached, or cannot run it now
   * @throws PostgreSQL's error when it refuses the statement
   */
  run<T>(send: Send<T>, options: RunOptions = {}): Promise<T> {
    const { pool, timeoutMs, report } = this.#parts;
    const { times = 1, repeats = false, hedged = false } = options;
    const first = pool.client;
    let client = first;
    const deadline = performance.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      const settled = () => {
        clearTimeout(timer);
        stopHedge?.();
        if (repeats) this.#repeats.delete(repeat);
      };
      const timer = setTimeout(() => {
        settled();
        this.#timedOut(first);
        reject(new StatementTimeout(`no answer within ${timeoutMs * times} ms`));
      }, timeoutMs * times + TIMEOUT_MARGIN_MS);
      const succeed = (value: T) => {
        settled();
        resolve(value);
      };
      const fail = (error: unknown) => {
        const code = codeOf(error);
        // The server had no connection left, but another one of the pool may be open now or soon:
        // the request need not fail. After a replacement of the pool it must, because the new one
        // may lead to a server where the streams have other versions.
        const again = code === NO_CONNECTION_LEFT && client === pool.client;
        if (again && performance.now() + RETRY_MS < deadline) {
          setTimeout(() => client === pool.client ? attempt() : fail(error), RETRY_MS);
          return;
        }
        settled();
        if (code === READ_ONLY) this.replace(client);
        reject(unavailableOr(error));
      };
      const attempt = () => {
        const asked = client;
        // An error from a pool that has been replaced is ignored, and an answer from it is used.
        send(asked).then(succeed, (error) => asked === client && fail(error));
      };
      const repeat = () => {
        client = pool.client;
        attempt();
      };
      const answered = (value: T) => {
        // The pool may have been replaced meanwhile, perhaps by connections to another server.
        if (client !== pool.client) return;
        succeed(value);
        report({ event: "database_connections_replaced" });
        this.#drain(client);
      };
      const stopHedge = hedged ? this.#hedge.start(send, answered) : undefined;
      if (repeats) this.#repeats.add(repeat);
      attempt();
    });
  }

  /**
   * Replaces all connections and fails what is in progress on them: see `ConnectionPool.replace`.
   */
  replace(client: DriverClient): void {
    if (this.#parts.pool.replace(client)) this.#parts.finder.invalidate();
  }

  /** The connection that the statement was first sent on is half-open, or the server hangs. */
  #timedOut(client: DriverClient): void {
    if (client === this.#parts.pool.client) this.#parts.finder.invalidate();
    // A pool that has replaced it meanwhile is kept: it has not had the whole time limit.
    this.#drain(client);
  }

  #drain(client: DriverClient): void {
    if (!this.#parts.pool.drain(client)) return;
    for (const repeat of [...this.#repeats]) repeat();
  }
}
