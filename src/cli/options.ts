/** Every setting there is: its flag, its environment variable, its default, its words in the help. */

export interface Option {
  readonly flag: string;
  readonly environment: string;
  /** What stands for the value in the help; none for a switch. */
  readonly value?: string;
  readonly fallback: string;
  readonly help: string;
}

export const OPTIONS = {
  host: {
    flag: "host",
    environment: "PENSTOCK_HOST",
    value: "address",
    fallback: "127.0.0.1",
    help: "Address to listen on",
  },
  port: {
    flag: "port",
    environment: "PENSTOCK_PORT",
    value: "number",
    fallback: "4437",
    help: "Port to listen on; 0 picks a free one and prints it",
  },
  workers: {
    flag: "workers",
    environment: "PENSTOCK_WORKERS",
    value: "number",
    fallback: "1",
    help: "Processes that share the port, each a node with connections of its own; PostgreSQL only",
  },
  databaseUrl: {
    flag: "database-url",
    environment: "DATABASE_URL",
    value: "url",
    fallback: "",
    help:
      "PostgreSQL 14 or newer; without it, a database embedded in this process. Goes before --data-dir",
  },
  databaseConnections: {
    flag: "database-connections",
    environment: "PENSTOCK_DATABASE_CONNECTIONS",
    value: "number",
    fallback: "8",
    help: "PostgreSQL connections of this node, beside the one that listens",
  },
  databaseTimeout: {
    flag: "database-timeout",
    environment: "PENSTOCK_DATABASE_TIMEOUT",
    value: "time",
    fallback: "5s",
    help: "How long PostgreSQL may take before a request is answered 503",
  },
  listenUrl: {
    flag: "listen-url",
    environment: "PENSTOCK_LISTEN_URL",
    value: "url",
    fallback: "",
    help: "The same database past any connection pooler, for LISTEN; --database-url by default",
  },
  wakeups: {
    flag: "wakeups",
    environment: "PENSTOCK_WAKEUPS",
    value: "auto|listen|poll",
    fallback: "auto",
    help: "How followers learn of other nodes' appends; auto: listen, behind a pooler poll",
  },
  dataDir: {
    flag: "data-dir",
    environment: "PENSTOCK_DATA_DIR",
    value: "folder",
    fallback: "",
    help: "Where the embedded database lives; a folder of the user by default",
  },
  longPollTimeout: {
    flag: "long-poll-timeout",
    environment: "PENSTOCK_LONG_POLL_TIMEOUT",
    value: "time",
    fallback: "30s",
    help: "How long a long-poll waits for data",
  },
  maxAppendBytes: {
    flag: "max-append-bytes",
    environment: "PENSTOCK_MAX_APPEND_BYTES",
    value: "size",
    fallback: "16MiB",
    help: "Largest request body; larger ones get 413",
  },
  bodyTimeout: {
    flag: "body-timeout",
    environment: "PENSTOCK_BODY_TIMEOUT",
    value: "time",
    fallback: "30s",
    help: "How long a request body may take, and a second more for every 64KiB; then it gets 408",
  },
  maxBufferedBytes: {
    flag: "max-buffered-bytes",
    environment: "PENSTOCK_MAX_BUFFERED_BYTES",
    value: "size",
    fallback: "512MiB",
    help: "Memory for bodies and pages that are under way; what does not fit gets 503",
  },
  maxFollowers: {
    flag: "max-followers",
    environment: "PENSTOCK_MAX_FOLLOWERS",
    value: "number",
    fallback: "50000",
    help: "Long-polls and SSE connections at once; more get 503",
  },
  cacheControl: {
    flag: "cache-control",
    environment: "PENSTOCK_CACHE_CONTROL",
    value: "public|private|no-store",
    fallback: "public",
    help: "Which caches may keep pages of streams: all, a browser's own, or none",
  },
  drainDelay: {
    flag: "drain-delay",
    environment: "PENSTOCK_DRAIN_DELAY",
    value: "time",
    fallback: "",
    help: "How long to go on serving after SIGTERM, while /ready says 503; not at all by default",
  },
  publicUrl: {
    flag: "public-url",
    environment: "PENSTOCK_PUBLIC_URL",
    value: "url",
    fallback: "",
    help: "How webhook receivers reach this server; http://host:port by default",
  },
  allowedHosts: {
    flag: "allowed-hosts",
    environment: "PENSTOCK_ALLOWED_HOSTS",
    value: "names",
    fallback: "",
    help:
      "Host names this server answers to besides localhost, the address listened on and that of --public-url; with commas between, * for all",
  },
  corsOrigins: {
    flag: "cors-origins",
    environment: "PENSTOCK_CORS_ORIGINS",
    value: "origins",
    fallback: "",
    help:
      "Web pages of other hosts that may read and write here, such as https://app.example.com; with commas between, * for all",
  },
  allowHttpWebhooks: {
    flag: "allow-http-webhooks",
    environment: "PENSTOCK_ALLOW_HTTP_WEBHOOKS",
    fallback: "",
    help:
      "Deliver webhooks to http://localhost too; so while listening on loopback for no https URL",
  },
  logFormat: {
    flag: "log-format",
    environment: "PENSTOCK_LOG_FORMAT",
    value: "auto|text|json",
    fallback: "auto",
    help: "auto: text on a terminal, JSON lines otherwise",
  },
  logLevel: {
    flag: "log-level",
    environment: "PENSTOCK_LOG_LEVEL",
    value: "debug|info|warning|error|silent",
    fallback: "info",
    help: "The quietest level that is written",
  },
  allowAnonymous: {
    flag: "allow-anonymous",
    environment: "PENSTOCK_ALLOW_ANONYMOUS",
    fallback: "false",
    help: "Listen beyond this machine although anyone may then read and write every stream",
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;
