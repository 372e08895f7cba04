/**
 * Every setting: its flag, its environment variable, its default, and what the help says of it.
 * `docs/configuration.md` is generated from this table (`deno task configuration`).
 */
import { EDGE_OPTIONS } from "./edge_options.ts";

export interface Option {
  readonly flag: string;
  readonly environment: string;
  /** Names the value in the help, or lists what it may be; none for a switch. */
  readonly value?: string;
  /** Empty where there is no default, or where it depends on other things: then `help` says on what. */
  readonly fallback: string;
  /** Whole sentences, with units and bounds, for a reader that has never seen the code. */
  readonly help: string;
}

export const OPTIONS = {
  host: {
    flag: "host",
    environment: "PENSTOCK_HOST",
    value: "address",
    fallback: "127.0.0.1",
    help:
      "The address to listen on. One that other machines can reach needs access control or --allow-anonymous.",
  },
  port: {
    flag: "port",
    environment: "PENSTOCK_PORT",
    value: "number",
    fallback: "4437",
    help:
      "The port to listen on, 0 to 65535. With 0 the system picks a free port, and the log prints it.",
  },
  workers: {
    flag: "workers",
    environment: "PENSTOCK_WORKERS",
    value: "number",
    fallback: "1",
    help:
      "How many processes share the port, 1 to 256. Each is a node of its own. Needs PostgreSQL.",
  },
  databaseUrl: {
    flag: "database-url",
    environment: "DATABASE_URL",
    value: "url",
    fallback: "",
    help:
      "The PostgreSQL (14 or newer) that stores the streams. Without it, Penstock runs a PostgreSQL inside its own process. A --data-dir that is given as a flag wins over the variable.",
  },
  databaseUrlFile: {
    flag: "database-url-file",
    environment: "DATABASE_URL_FILE",
    value: "file",
    fallback: "",
    help: "A file that holds what --database-url would say.",
  },
  databaseConnections: {
    flag: "database-connections",
    environment: "PENSTOCK_DATABASE_CONNECTIONS",
    value: "number",
    fallback: "8",
    help: "PostgreSQL connections that a node opens, 2 to 1000. It opens one more to LISTEN.",
  },
  databaseTimeout: {
    flag: "database-timeout",
    environment: "PENSTOCK_DATABASE_TIMEOUT",
    value: "time",
    fallback: "5s",
    help: "How long PostgreSQL may take for one statement. Then the request gets 503.",
  },
  listenUrl: {
    flag: "listen-url",
    environment: "PENSTOCK_LISTEN_URL",
    value: "url",
    fallback: "",
    help:
      "A URL of the same database that bypasses a connection pooler, used for LISTEN. By default --database-url is used.",
  },
  listenUrlFile: {
    flag: "listen-url-file",
    environment: "PENSTOCK_LISTEN_URL_FILE",
    value: "file",
    fallback: "",
    help: "A file that holds what --listen-url would say.",
  },
  wakeups: {
    flag: "wakeups",
    environment: "PENSTOCK_WAKEUPS",
    value: "auto|listen|poll",
    fallback: "auto",
    help:
      "How a node learns what other nodes appended: by LISTEN, or by asking the database. auto means listen, or poll behind a connection pooler.",
  },
  dataDir: {
    flag: "data-dir",
    environment: "PENSTOCK_DATA_DIR",
    value: "folder",
    fallback: "",
    help:
      "The folder of the embedded database. By default it is a folder in the data directory of the user. The flag wins over DATABASE_URL; with --database-url it is ignored.",
  },
  longPollTimeout: {
    flag: "long-poll-timeout",
    environment: "PENSTOCK_LONG_POLL_TIMEOUT",
    value: "time",
    fallback: "30s",
    help: "How long a long-poll waits for data before it gets 204.",
  },
  maxAppendBytes: {
    flag: "max-append-bytes",
    environment: "PENSTOCK_MAX_APPEND_BYTES",
    value: "size",
    fallback: "16MiB",
    help: "The largest request body, at most 256MiB. A larger one gets 413.",
  },
  bodyTimeout: {
    flag: "body-timeout",
    environment: "PENSTOCK_BODY_TIMEOUT",
    value: "time",
    fallback: "30s",
    help:
      "How long a request body may take to arrive, plus one second for every 64KiB that has arrived, and how long it may pause. Then the request gets 408.",
  },
  maxBufferedBytes: {
    flag: "max-buffered-bytes",
    environment: "PENSTOCK_MAX_BUFFERED_BYTES",
    value: "size",
    fallback: "512MiB",
    help:
      "Memory for request bodies and for pages being sent, for each node. A request that does not fit gets 503.",
  },
  maxFollowers: {
    flag: "max-followers",
    environment: "PENSTOCK_MAX_FOLLOWERS",
    value: "number",
    fallback: "50000",
    help: "How many long-polls and SSE connections a node serves at once. Further ones get 503.",
  },
  retention: {
    flag: "retention",
    environment: "PENSTOCK_RETENTION",
    value: "rules",
    fallback: "",
    help:
      "What streams keep that are created without Stream-Retention, such as 'logs/**: age=7d, bytes=10GiB', with semicolons between the rules; the first whose pattern matches counts. What is older, or more, is dropped. By default everything is kept.",
  },
  maxProducersPerStream: {
    flag: "max-producers-per-stream",
    environment: "PENSTOCK_MAX_PRODUCERS_PER_STREAM",
    value: "number",
    fallback: "10000",
    help:
      "How many idempotent producers a stream may have, up to 1000000; 0 means any number. Further ones get 400 PRODUCER_LIMIT_REACHED. Nodes count once a minute, and may together go beyond it by what they take in between.",
  },
  producerIdleExpiry: {
    flag: "producer-idle-expiry",
    environment: "PENSTOCK_PRODUCER_IDLE_EXPIRY",
    value: "age",
    fallback: "",
    help:
      "How long after its last append a producer is forgotten, which makes room for others: a time up to ten years, such as 30d. A producer that comes back later has to begin again at Producer-Seq 0, and what it tries again is stored again. By default producers stay as long as their stream.",
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
    help:
      "How long a node goes on serving after SIGTERM while /ready already says 503. By default it does not wait.",
  },
  publicUrl: {
    flag: "public-url",
    environment: "PENSTOCK_PUBLIC_URL",
    value: "url",
    fallback: "",
    help:
      "The address at which clients and webhook receivers reach this server, without a path. By default http://host:port.",
  },
  allowedHosts: {
    flag: "allowed-hosts",
    environment: "PENSTOCK_ALLOWED_HOSTS",
    value: "names",
    fallback: "",
    help:
      "Host names that this server answers to, with commas between; * means every name. localhost, the address listened on and the host of --public-url are always among them. Other names get 421.",
  },
  corsOrigins: {
    flag: "cors-origins",
    environment: "PENSTOCK_CORS_ORIGINS",
    value: "origins",
    fallback: "",
    help:
      "Origins whose web pages may read and write here, such as https://app.example.com, with commas between; * means every origin. Pages of the same host always may.",
  },
  webhookAllow: {
    flag: "webhook-allow",
    environment: "PENSTOCK_WEBHOOK_ALLOW",
    value: "targets",
    fallback: "",
    help:
      "What webhooks may reach besides https addresses of the internet, by http too: hosts, addresses and networks, each with a port or without, such as localhost,host.docker.internal:4700,10.0.0.0/8; with commas between. Metadata services and link-local addresses are never reached.",
  },
  logFormat: {
    flag: "log-format",
    environment: "PENSTOCK_LOG_FORMAT",
    value: "auto|text|json",
    fallback: "auto",
    help:
      "The format of the log. auto means text on a terminal and one JSON object per line elsewhere.",
  },
  logLevel: {
    flag: "log-level",
    environment: "PENSTOCK_LOG_LEVEL",
    value: "debug|info|warning|error|silent",
    fallback: "info",
    help: "The lowest level that is logged; silent logs nothing.",
  },
  access: {
    flag: "access",
    environment: "PENSTOCK_ACCESS",
    value: "auto|on",
    fallback: "auto",
    help:
      "on turns access control on without another setting: the first start on a database makes a token that may do everything, and prints it once, to standard error. auto means on where another setting asks for it, or the database has ever had a token.",
  },
  adminTokenFile: {
    flag: "admin-token-file",
    environment: "PENSTOCK_ADMIN_TOKEN_FILE",
    value: "file",
    fallback: "",
    help:
      "A file that holds a token which may do everything, 32 to 512 printable characters. Turns access control on.",
  },
  jwtSecretFile: {
    flag: "jwt-secret-file",
    environment: "PENSTOCK_JWT_SECRET_FILE",
    value: "file",
    fallback: "",
    help:
      "A file that holds the secret of JWTs signed with HS256, at least 32 bytes: as text, or in base64url after base64url:. Turns access control on.",
  },
  jwtPublicKeyFile: {
    flag: "jwt-public-key-file",
    environment: "PENSTOCK_JWT_PUBLIC_KEY_FILE",
    value: "file",
    fallback: "",
    help:
      "A file that holds the public key of JWTs, as PEM or JWK: RSA, EC or Ed25519. Turns access control on.",
  },
  jwtJwksUrl: {
    flag: "jwt-jwks-url",
    environment: "PENSTOCK_JWT_JWKS_URL",
    value: "url",
    fallback: "",
    help:
      "Where the public keys of JWTs are published. They are fetched every 5 minutes, and for a key that is not known; while that fails, the last ones count. Turns access control on.",
  },
  jwtIssuer: {
    flag: "jwt-issuer",
    environment: "PENSTOCK_JWT_ISSUER",
    value: "name",
    fallback: "",
    help: "What the claim iss of a JWT has to be. By default it is not checked.",
  },
  jwtAudience: {
    flag: "jwt-audience",
    environment: "PENSTOCK_JWT_AUDIENCE",
    value: "name",
    fallback: "",
    help:
      "What the claim aud of a JWT has to hold. By default it is not checked: set it unless the issuer serves this server only.",
  },
  jwtClaim: {
    flag: "jwt-claim",
    environment: "PENSTOCK_JWT_CLAIM",
    value: "name",
    fallback: "penstock",
    help:
      "The claim of a JWT that holds its rules: an array, or one text with spaces between the rules.",
  },
  jwtRules: {
    flag: "jwt-rules",
    environment: "PENSTOCK_JWT_RULES",
    value: "rules",
    fallback: "",
    help:
      "Rules that every JWT gives, with spaces between; {sub} stands for its claim sub, such as read,append:users/{sub}/**.",
  },
  jwtNamespaceClaim: {
    flag: "jwt-namespace-claim",
    environment: "PENSTOCK_JWT_NAMESPACE_CLAIM",
    value: "name",
    fallback: "penstock_namespace",
    help:
      "The claim of a JWT that holds its namespace, such as acme: its holder's x is the stream acme/x. A JWT without the claim is in no namespace.",
  },
  jwtNamespace: {
    flag: "jwt-namespace",
    environment: "PENSTOCK_JWT_NAMESPACE",
    value: "namespace",
    fallback: "",
    help:
      "The namespace of every JWT; {org} stands for its claim org, such as tenants/{org}. A JWT without the claim is refused. A namespace in --jwt-namespace-claim is within it.",
  },
  anonymous: {
    flag: "anonymous",
    environment: "PENSTOCK_ANONYMOUS",
    value: "rules",
    fallback: "",
    help:
      "Rules for everyone, with or without a token, with spaces between them, such as read:public/**. Turns access control on.",
  },
  accessLog: {
    flag: "access-log",
    environment: "PENSTOCK_ACCESS_LOG",
    value: "off|text|json",
    fallback: "off",
    help:
      "Write a line for each request to standard output, with the X-Request-Id of its response. Independent of --log-level.",
  },
  inspector: {
    flag: "inspector",
    environment: "PENSTOCK_INSPECTOR",
    value: "on|read-only|off",
    fallback: "on",
    help:
      "Serve a page at /_penstock/ that shows streams, subscriptions and this node. read-only means that the page offers nothing that writes; what a request may do is decided by access control alone.",
  },
  ...EDGE_OPTIONS,
  allowAnonymous: {
    flag: "allow-anonymous",
    environment: "PENSTOCK_ALLOW_ANONYMOUS",
    fallback: "false",
    help:
      "Listen on an address that other machines can reach, without access control. Anyone who reaches it can then read and write every stream.",
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;
