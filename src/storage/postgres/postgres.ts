/** PostgreSQL over postgres.js as a `Database`. */
import type {
  Database,
  Drizzle,
  ListenerEvents,
  Listening,
  Parameter,
  ScannedRow,
  Snapshot,
} from "../database.ts";
import { drizzleOver, type RowMode, unwrapped } from "../drizzle.ts";
import type { PeriodicTask } from "../../lib/periodic_task.ts";
import { createFinder, openClient, type PostgresOptions } from "./client.ts";
import { withNumbers } from "./driver/copy_out.ts";
import type { DriverClient } from "./driver/client.ts";
import { unavailableOr } from "./errors.ts";
import { PostgresListener } from "./listener.ts";
import { ConnectionPool } from "./pool.ts";
import type { PrimaryFinder } from "./primary.ts";
import { watchPrimary } from "./primary_watch.ts";
import { DEFAULT_SESSION, type Session } from "./session.ts";
import { startUp } from "./startup.ts";
import { StatementRunner, TIMEOUT_MARGIN_MS } from "./statement_runner.ts";
import { withSnapshot } from "./snapshot.ts";
import { parsePostgresUrl } from "./url.ts";
import { wakeupMode } from "./wakeup_mode.ts";

/** A transaction of several statements may take this many times as long as one statement. */
const TRANSACTION = 10;

/**
 * Opens the database that a URL names, after checking that Penstock can work with it. Settings that
 * weaken a guarantee are reported as warnings.
 * @throws DatabaseRefused when Penstock cannot work with the server, the database or the role
 * @throws DatabaseUnavailable when it cannot be reached
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { hosts } = parsePostgresUrl(options.url);
  const finder = createFinder(options);
  const { facts, session } = await startUp({
    open: () => openClient(options, { connections: 1, session: DEFAULT_SESSION, finder }),
    connections: options.connections + 1,
    timeoutMs: options.timeoutMs,
    report: options.report ?? (() => {}),
  }).catch((error) => {
    throw unavailableOr(error);
  });
  const { mode, reason, fallback } = wakeupMode(
    { wakeups: options.wakeups ?? "auto", listenUrl: options.listenUrl ?? null },
    session.pooled,
  );
  options.report?.({ event: "wakeups", mode, reason, fallback });
  const names = hosts.map(({ host }) => host).join(",");
  const description = `PostgreSQL ${facts.version} at ${names}/${facts.database}`;
  return new PostgresDatabase(options, {
    session,
    finder,
    description,
    hosts: hosts.length,
    listens: mode === "listen",
  });
}

interface DatabaseParts {
  readonly session: Session;
  readonly finder: PrimaryFinder;
  readonly description: string;
  /** How many hosts the URL names. */
  readonly hosts: number;
  readonly listens: boolean;
}

class PostgresDatabase implements Database {
  readonly kind = "postgres";
  readonly concurrency: number;
  readonly description: string;
  readonly listens: boolean;
  readonly #options: PostgresOptions;
  readonly #finder: PrimaryFinder;
  readonly #session: Session;
  readonly #pool: ConnectionPool;
  readonly #runner: StatementRunner;
  readonly #primaryWatch: PeriodicTask;
  readonly #drizzle: Drizzle;
  #onNewTimeline: () => void = () => {};

  constructor(options: PostgresOptions, parts: DatabaseParts) {
    const { session, finder } = parts;
    const { connections, timeoutMs, report = () => {} } = options;
    this.#options = options;
    this.#finder = finder;
    this.#session = session;
    this.description = parts.description;
    this.listens = parts.listens;
    this.concurrency = connections;
    const pool = new ConnectionPool({
      open: (connections) => openClient(options, { connections, session, finder }),
      connections,
      drainMs: timeoutMs + TIMEOUT_MARGIN_MS,
    });
    this.#pool = pool;
    this.#runner = new StatementRunner({ pool, finder, timeoutMs, report });
    this.#drizzle = drizzleOver((statement, parameters, rowMode) =>
      this.#runner.run(({ sql }) =>
        sendBuilt(sql, { statement, parameters, rowMode, prepare: true })
      )
    );
    finder.onNewTimeline = ({ host, port }, timeline) => {
      report({ event: "database_promoted", host: `${host}:${port}`, timeline });
      // Statements that wait for a connection were decided by states that the new server may lack.
      this.#runner.replace(pool.client);
      this.#onNewTimeline();
    };
    this.#primaryWatch = watchPrimary({
      finder,
      pooled: session.pooled,
      hosts: parts.hosts,
      onNoPrimary: () => this.#runner.replace(pool.client),
    });
    void this.#primaryWatch.start();
  }

  onNewTimeline(listener: () => void): void {
    this.#onNewTimeline = listener;
  }

  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T> {
    return unwrapped(build(this.#drizzle));
  }

  query<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.#runner.run((client) => client.query<Row>(statement, parameters));
  }

  hedged<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.#runner.run((client) => client.query<Row>(statement, parameters), {
      repeats: true,
      hedged: true,
    });
  }

  scan(query: string, parameters: readonly number[], expected = 0): Promise<ScannedRow[]> {
    const statement = `copy (${withNumbers(query, parameters)}) to stdout (format binary)`;
    return this.#runner.run((client) => client.copyOut(statement, expected), { repeats: true });
  }

  async execute(script: string): Promise<void> {
    await this.#runner.run((client) => client.sql.unsafe(script));
  }

  transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T> {
    const send = ({ sql }: DriverClient) =>
      sql.begin((transaction) =>
        unwrapped(
          work(
            drizzleOver((statement, parameters, rowMode) =>
              sendBuilt(transaction, { statement, parameters, rowMode, prepare: false })
            ),
          ),
        )
      ) as Promise<T>;
    return this.#runner.run(send, { times: TRANSACTION });
  }

  snapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    return withSnapshot(
      () =>
        openClient(this.#options, {
          connections: 1,
          session: this.#session,
          finder: this.#finder,
        }),
      work,
    );
  }

  async listen(channel: string, events: ListenerEvents): Promise<Listening> {
    const { listenUrl } = this.#options;
    const options = listenUrl ? { ...this.#options, url: listenUrl } : this.#options;
    const finder = listenUrl ? createFinder(options) : this.#finder;
    const listener = new PostgresListener(
      {
        open: () => openClient(options, { connections: 1, session: DEFAULT_SESSION, finder }),
        notify: async (payload) => {
          await this.query("select pg_notify($1, $2)", [channel, payload]);
        },
      },
      channel,
      events,
    );
    await listener.start();
    return listener;
  }

  async close(): Promise<void> {
    // The end of the watch is not awaited: a query to a server that does not answer may take its
    // whole time limit.
    void this.#primaryWatch.stop();
    await this.#pool.close();
  }
}

interface BuiltStatement {
  readonly statement: string;
  readonly parameters: readonly Parameter[];
  readonly rowMode: RowMode;
  readonly prepare: boolean;
}

/** Runs a statement that drizzle has built. */
async function sendBuilt(
  sql: Pick<DriverClient["sql"], "unsafe">,
  { statement, parameters, rowMode, prepare }: BuiltStatement,
): Promise<unknown[]> {
  const sent = sql.unsafe(statement, parameters as never[], { prepare });
  return await (rowMode === "array" ? sent.values() : sent);
}
