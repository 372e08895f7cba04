/** PostgreSQL over postgres.js. */
import {
  type Database,
  DatabaseUnavailable,
  type Drizzle,
  type ListenerEvents,
  type Listening,
  type Parameter,
  type ScannedRow,
  StatementTimeout,
} from "../database.ts";
import { drizzleOver, type RowMode, unwrapped } from "../drizzle.ts";
import { copyOut, withNumbers } from "./driver/copy_out.ts";
import { parsePostgresUrl } from "./url.ts";
import { type Client, finderOf, openClient, type PostgresOptions } from "./client.ts";
import { Hedge } from "./hedge.ts";
import { PostgresListener, wakeupMode } from "./listener.ts";
import { NoPrimary, type PrimaryFinder } from "./primary.ts";
import { PLAIN, type Session, startUp } from "./startup.ts";

/** SQLSTATE classes and codes that say "not now", not "never". */
const UNAVAILABLE = /^(08|28|3D000|53|57P|25006|25P0[34]|58|40P01|55P03|57014)/;

/** How often to look which server is the primary. Milliseconds. */
const POOLER_LOOK_MS = 1000;
const HOSTS_LOOK_MS = 5000;
/** Too many connections: said of one that was never opened, so the statement can be sent again. */
const NO_CONNECTION_LEFT = "53300";
const RETRY_MS = 50;
/** A transaction of several statements may take this many times as long as one statement. */
const TRANSACTION = 10;

/** The server's own limit, a little before ours. */
const TOO_LONG = "57014";
/** The server is no primary any more: none of its connections is worth keeping. */
const READ_ONLY = "25006";

/**
 * @throws DatabaseRefused when the server, the database or the role will not do
 * @throws DatabaseUnavailable when it cannot be reached
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { hosts } = parsePostgresUrl(options.url);
  const finder = finderOf(options);
  const { facts, session } = await startUp({
    open: () => openClient(options, { connections: 1, session: PLAIN, finder }).sql,
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
  const at = hosts.map(({ host }) => host).join(",");
  const description = `PostgreSQL ${facts.version} at ${at}/${facts.database}`;
  return new PostgresDatabase(options, {
    session,
    finder,
    description,
    listens: mode === "listen",
  });
}

interface Bounds {
  /** How many times the limit of one statement it has. */
  readonly times?: number;
  /** It may run twice: it is asked again when connections turn out to be dead. */
  readonly repeats?: boolean;
  /** It is not waited for long before that is found out. */
  readonly hedged?: boolean;
}

class PostgresDatabase implements Database {
  readonly kind = "postgres";
  readonly concurrency: number;
  readonly description: string;
  readonly listens: boolean;
  readonly #options: PostgresOptions;
  readonly #session: Session;
  readonly #finder: PrimaryFinder;
  readonly #heartbeat: ReturnType<typeof setInterval> | undefined;
  #onNewTimeline: () => void = () => {};
  readonly #hedge: Hedge;
  #client: Client;
  readonly #drizzle: Drizzle;
  /** Clients that get no more statements, and still wait for answers. */
  readonly #retired = new Map<Client, ReturnType<typeof setTimeout>>();
  /** How to ask again what waits for an answer and may run twice. */
  readonly #repeats = new Set<() => void>();

  constructor(
    options: PostgresOptions,
    { session, finder, description, listens }: {
      readonly session: Session;
      readonly finder: PrimaryFinder;
      readonly description: string;
      readonly listens: boolean;
    },
  ) {
    this.#options = options;
    this.#session = session;
    this.#finder = finder;
    this.description = description;
    this.listens = listens;
    this.concurrency = options.connections;
    this.#hedge = new Hedge(() => this.#openClient(1));
    this.#client = this.#openClient(options.connections);
    this.#drizzle = drizzleOver((statement, parameters, rowMode) =>
      this.#bounded((client) =>
        sendBuilt(client, { statement, parameters, rowMode, prepare: true })
      )
    );
    finder.onNewTimeline = ({ host, port }, timeline) => {
      options.report?.({ event: "database_promoted", host: `${host}:${port}`, timeline });
      // What waits for a connection was decided on what may not be so there.
      this.#replace(this.#client);
      this.#onNewTimeline();
    };
    // The primary can become another without any connection of ours being lost: behind a pooler,
    // and where a standby is promoted while its primary lives.
    const several = parsePostgresUrl(options.url).hosts.length > 1;
    const lookMs = session.pooled ? POOLER_LOOK_MS : several ? HOSTS_LOOK_MS : null;
    if (lookMs !== null) this.#heartbeat = setInterval(() => this.#findPrimary(), lookMs);
  }

  onNewTimeline(listener: () => void): void {
    this.#onNewTimeline = listener;
  }

  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T> {
    return unwrapped(build(this.#drizzle));
  }

  query<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.#bounded(prepared<Row>(statement, parameters));
  }

  hedged<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.#bounded(prepared<Row>(statement, parameters), { repeats: true, hedged: true });
  }

  scan(query: string, parameters: readonly number[], expected = 0): Promise<ScannedRow[]> {
    const statement = `copy (${withNumbers(query, parameters)}) to stdout (format binary)`;
    return this.#bounded((client) => copyOut(client, statement, expected), { repeats: true });
  }

  async execute(script: string): Promise<void> {
    await this.#bounded((client) => client.unsafe(script));
  }

  transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T> {
    return this.#bounded(
      (client) =>
        client.begin((sql) =>
          unwrapped(
            work(
              drizzleOver((statement, parameters, rowMode) =>
                sendBuilt(sql, { statement, parameters, rowMode, prepare: false })
              ),
            ),
          )
        ) as Promise<T>,
      { times: TRANSACTION },
    );
  }

  async listen(channel: string, events: ListenerEvents): Promise<Listening> {
    const { listenUrl } = this.#options;
    const options = listenUrl ? { ...this.#options, url: listenUrl } : this.#options;
    const finder = listenUrl ? finderOf(options) : this.#finder;
    const listener = new PostgresListener(
      {
        open: () => openClient(options, { connections: 1, session: PLAIN, finder }).sql,
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
    clearInterval(this.#heartbeat);
    this.#endRetired();
    // Nobody waits for a statement any more. postgres.js waits even for those whose connection is gone.
    await this.#client.end({ timeout: 1 });
  }

  /**
   * A statement that is never answered must not hold its request for ever. The server ends its own
   * statements before that, so no answer means that the connection is dead and does not know it.
   */
  #bounded<T>(
    send: (client: Client) => Promise<T>,
    { times = 1, repeats = false, hedged = false }: Bounds = {},
  ): Promise<T> {
    const first = this.#client;
    let client = first;
    const limit = this.#options.timeoutMs * times;
    const deadline = performance.now() + this.#options.timeoutMs;
    return new Promise((resolve, reject) => {
      const settled = () => {
        clearTimeout(timer);
        stopHedge?.();
        if (repeats) this.#repeats.delete(repeat);
      };
      const timer = setTimeout(() => {
        settled();
        if (first === this.#client) this.#finder.suspect();
        // Not those that it was repeated on: they have not had the whole time.
        this.#retire(first);
        reject(new StatementTimeout(`no answer within ${limit} ms`));
      }, limit + 500);
      const succeed = (value: T) => {
        settled();
        resolve(value);
      };
      const fail = (error: unknown) => {
        const code = codeOf(error);
        // Others of the pool may be connected, or soon be: it is no reason to turn a request away.
        // Not on connections of another pool, which may lead to a server that knows other versions.
        const again = code === NO_CONNECTION_LEFT && client === this.#client;
        if (again && performance.now() + RETRY_MS < deadline) {
          setTimeout(() => client === this.#client ? attempt() : fail(error), RETRY_MS);
          return;
        }
        settled();
        if (code === READ_ONLY) this.#replace(client);
        reject(unavailableOr(error));
      };
      const attempt = () => {
        const asked = client;
        // What a pool says that another has taken the place of no longer matters, unless it answers.
        send(asked).then(succeed, (error) => asked === client && fail(error));
      };
      const repeat = () => {
        client = this.#client;
        attempt();
      };
      const stopHedge = hedged
        ? this.#hedge.start(send, (value) => {
          // Not when the pool has been replaced meanwhile, perhaps by that of another server.
          if (client !== this.#client) return;
          succeed(value);
          this.#options.report?.({ event: "database_silent" });
          this.#retire(client);
        })
        : undefined;
      if (repeats) this.#repeats.add(repeat);
      attempt();
    });
  }

  /** All connections anew, and nothing more from these: they lead to a server that is no primary. */
  #replace(client: Client): void {
    if (client !== this.#client) return;
    this.#finder.suspect();
    this.#openPool();
    client.end({ timeout: 0 }).catch(() => {});
    this.#endRetired();
  }

  /**
   * All connections anew: where one died without a word, the others very likely did too. Nothing is
   * lost that is still answered: no connection is closed that waits for an answer, and what may run
   * twice is asked again.
   */
  #retire(client: Client): void {
    if (client !== this.#client) return;
    this.#openPool();
    client.close().catch(() => {});
    const limit = this.#options.timeoutMs + 500;
    this.#retired.set(client, setTimeout(() => this.#endRetired([client]), limit));
    for (const repeat of [...this.#repeats]) repeat();
  }

  #endRetired(clients: Iterable<Client> = this.#retired.keys()): void {
    for (const client of [...clients]) {
      clearTimeout(this.#retired.get(client));
      this.#retired.delete(client);
      client.end({ timeout: 0 }).catch(() => {});
    }
  }

  #openPool(): void {
    this.#client = this.#openClient(this.concurrency);
  }

  #openClient(connections: number): Client {
    const [session, finder] = [this.#session, this.#finder];
    return openClient(this.#options, { connections, session, finder }).client;
  }

  #findPrimary(): void {
    this.#finder.suspect();
    this.#finder.find().catch((error) => {
      // A connection of our own stays with its server, which is no standby yet.
      if (error instanceof NoPrimary && this.#session.pooled) this.#replace(this.#client);
    });
  }
}

/** A statement as most are sent; large bytes as they are, where that can be done. */
function prepared<Row>(statement: string, parameters: readonly Parameter[]) {
  return (client: Client): Promise<Row[]> => {
    const send = (given: readonly unknown[]) =>
      client.unsafe(statement, given as never[], { prepare: true }) as unknown as Promise<Row[]>;
    if (client.raw === null) return send(parameters);
    const typed = (token: string, type: number) => client.typed(token as never, type);
    return client.raw.sending(parameters, { typed, send });
  };
}

interface BuiltStatement {
  readonly statement: string;
  readonly parameters: readonly Parameter[];
  readonly rowMode: RowMode;
  readonly prepare: boolean;
}

/** A statement that drizzle has built. */
async function sendBuilt(
  client: Pick<Client, "unsafe">,
  { statement, parameters, rowMode, prepare }: BuiltStatement,
): Promise<unknown[]> {
  const sent = client.unsafe(statement, parameters as never[], { prepare });
  return await (rowMode === "array" ? sent.values() : sent);
}

/** postgres.js speaks of broken connections by codes of its own; Postgres by SQLSTATE. */
function unavailableOr(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  const connection = /^(CONNECT|CONNECTION_|E[A-Z]+$|EAI_)/.test(code);
  const { message } = error as Error;
  if (code === TOO_LONG) return new StatementTimeout(message, { cause: error });
  return connection || UNAVAILABLE.test(code)
    ? new DatabaseUnavailable(`${code}: ${message}`, { cause: error })
    : error;
}

function codeOf(error: unknown): string | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
