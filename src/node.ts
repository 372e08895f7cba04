/** One running Penstock: opens the database, serves, and stops in an orderly manner. */
import { Access } from "./access/access.ts";
import { Quotas } from "./access/quotas.ts";
import { hostname } from "node:os";
import process from "node:process";
import type { Config } from "./cli/config.ts";
import { Dumps } from "./http/dump_route.ts";
import { observeRequests } from "./http/request_observer.ts";
import { HttpServer } from "./http/server.ts";
import { serveOnly } from "./http/admin_listener.ts";
import { type CertificateFiles, readCertificate } from "./lib/certificate.ts";
import { createRouter } from "./http/router.ts";
import { divideBufferedBytes } from "./limits.ts";
import { startAll } from "./lib/service.ts";
import { tracing } from "./lib/telemetry/tracing.ts";
import { delay, settlesWithin } from "./lib/timeout.ts";
import { MeasuredDatabase } from "./metrics/measured_database.ts";
import { Metrics } from "./metrics/metrics.ts";
import { runtimeName } from "./platform.ts";
import type { Database } from "./storage/database.ts";
import { migrate } from "./storage/migrate.ts";
import { openDatabase } from "./storage/open.ts";
import { Streams } from "./streams/streams.ts";
import { Subscriptions } from "./subscriptions/subscriptions.ts";
import { openAccessLog, type RequestLine } from "./telemetry/access_log.ts";
import type { Telemetry } from "./telemetry/events.ts";
import type { OtlpTracing } from "./tracing/tracing.ts";
import { VERSION } from "./version.ts";

/**
 * How long a node that hands its port over goes on serving. Its responses say that the connection
 * ends with them, so in this time its clients come to the successor by themselves. Milliseconds.
 */
const HANDOVER_MS = 1000;

/** How long requests may take to end before the process ends with them. Milliseconds. */
const STOP_MS = 10_000;

export class Node {
  readonly database: Database;
  readonly #access: Access;
  readonly #server: HttpServer;
  /** What operators ask for, where that has a port of its own. */
  readonly #adminServer: HttpServer | null;
  readonly #certificateFiles: CertificateFiles | null;
  readonly #streams: Streams;
  readonly #subscriptions: Subscriptions;
  readonly #telemetry: Telemetry;
  readonly #metrics: Metrics;
  /** Null: nothing is traced. */
  readonly #tracing: OtlpTracing | null;
  readonly #drainDelayMs: number;
  /** Whether /ready says so: a successor on the same port is ready for this node. */
  #draining = false;

  private constructor(
    database: MeasuredDatabase,
    config: Config,
    { telemetry, metrics, worker, sharedPort, traces }: NodeParts,
  ) {
    this.database = database;
    this.#telemetry = telemetry;
    this.#metrics = metrics;
    this.#tracing = traces;
    this.#drainDelayMs = config.drainDelayMs;
    const buffered = divideBufferedBytes(config.maxBufferedBytes);
    this.#access = new Access({
      database,
      telemetry,
      settings: config.accessControl,
      onFirstToken: printFirstToken,
    });
    this.#streams = new Streams(database, telemetry, { ...config, buffered });
    this.#subscriptions = new Subscriptions({
      database,
      streams: this.#streams,
      telemetry,
      webhookAllow: config.webhookAllow,
      publicUrl: () => config.publicUrl ?? this.url,
    });
    const parts = {
      access: this.#access,
      quotas: config.quotas === null ? null : new Quotas(database, config.quotas),
      streams: this.#streams,
      subscriptions: this.#subscriptions,
      dumps: new Dumps(database),
      telemetry,
      draining: () => this.#draining,
      ping: () => ping(database),
      metrics: () => metrics.text(),
      node: () => metrics.node(),
    };
    metrics.observe({
      database,
      build: { version: VERSION, runtime: runtimeName() },
      followers: () => this.#streams.followers,
      draining: parts.draining,
      node: nodeName(),
      worker,
    });
    const router = createRouter(parts, {
      ...config,
      buffered,
      origins: {
        listenHost: config.host,
        allowedHosts: config.allowedHosts,
        publicUrl: config.publicUrl,
        corsOrigins: config.corsOrigins,
      },
      limits: config,
    });
    const log = requestLog(config, telemetry, worker);
    this.#certificateFiles = config.certificateFiles;
    const apart = config.adminPort !== null;
    this.#server = new HttpServer({
      hostname: config.host,
      port: config.port,
      handler: observeRequests(apart ? serveOnly(router, { admin: false }) : router, log),
      sharedPort,
      certificate: this.#certificateFiles && readCertificate(this.#certificateFiles),
    });
    this.#adminServer = config.adminPort === null ? null : new HttpServer({
      hostname: config.adminHost,
      // Workers share a port for streams. What an operator asks for is one worker's.
      port: config.adminPort === 0 ? 0 : config.adminPort + (worker ?? 1) - 1,
      handler: observeRequests(serveOnly(router, { admin: true }), log),
      sharedPort,
      certificate: null,
    });
  }

  /**
   * @throws Error with a sentence for the operator: database, schema, data folder or address
   */
  static async start(
    config: Config,
    log: Telemetry,
    { worker, sharedPort }: StartOptions = { worker: null, sharedPort: false },
  ): Promise<Node> {
    const metrics = new Metrics();
    const telemetry: Telemetry = {
      report(event) {
        log.report(event);
        metrics.report(event);
      },
    };
    const traces = await openTracing(config, telemetry);
    const database = new MeasuredDatabase(
      await openDatabase(config, (event) => telemetry.report(event)),
      (awayMs) => telemetry.report({ event: "database_returned", awayMs }),
    );
    try {
      const { applied } = await migrate(database);
      if (applied.length > 0) telemetry.report({ event: "migrated", steps: applied });
      const node = new Node(database, config, { telemetry, metrics, worker, sharedPort, traces });
      await node.#subscriptions.prepare();
      // Deliveries come last: a webhook's receiver may call back at once.
      const servers = node.#adminServer === null
        ? [node.#server]
        : [node.#adminServer, node.#server];
      await startAll([metrics, node.#access, node.#streams, ...servers, node.#subscriptions]);
      if (node.#adminServer !== null) {
        telemetry.report({ event: "admin_listening", url: node.#adminServer.url });
      }
      telemetry.report({
        event: "listening",
        version: VERSION,
        database: database.description,
        url: node.url,
        try: `curl -i -X PUT ${node.url}/v1/stream/hello`,
      });
      return node;
    } catch (error) {
      await database.close().catch(() => {});
      throw error;
    }
  }

  /** Where it listens: `http://host:port`. */
  get url(): string {
    return this.#server.url;
  }

  /** Reads the certificate's files again; what cannot be used leaves the old one in its place. */
  async reloadCertificate(): Promise<void> {
    if (this.#certificateFiles === null) return;
    const { certFile } = this.#certificateFiles;
    try {
      await this.#server.renew(readCertificate(this.#certificateFiles));
      this.#telemetry.report({ event: "certificate_reloaded", file: certFile });
    } catch (error) {
      this.#telemetry.report({ event: "certificate_refused", error });
    }
  }

  /**
   * Serves on for the drain delay, then stops accepting, ends the followers, finishes the appends
   * and closes the database.
   * @param successor whether another process serves on the same port by now
   */
  async stop(reason: string, { successor = false } = {}): Promise<void> {
    this.#telemetry.report({ event: "stopping", reason, followers: this.#streams.followers });
    this.#draining = !successor;
    this.#server.endConnections();
    const delayMs = Math.max(this.#drainDelayMs, successor ? HANDOVER_MS : 0);
    if (delayMs > 0) await delay(delayMs);
    const answered = this.#server.stop();
    this.#streams.drain();
    if (!await settlesWithin(answered, STOP_MS)) {
      this.#telemetry.report({ event: "stop_forced", reason: "requests were still open" });
    }
    await settlesWithin(this.#subscriptions.stop(), STOP_MS);
    if (this.#adminServer !== null) await settlesWithin(this.#adminServer.stop(), STOP_MS);
    await settlesWithin(this.#access.stop(), STOP_MS);
    await this.#metrics.stop();
    await settlesWithin(this.#streams.stop().then(() => this.database.close()), STOP_MS);
    if (tracing.active === this.#tracing) tracing.active = null;
    await this.#tracing?.stop();
    this.#telemetry.report({ event: "stopped" });
  }
}

interface NodeParts {
  readonly telemetry: Telemetry;
  readonly metrics: Metrics;
  readonly worker: number | null;
  readonly sharedPort: boolean;
  readonly traces: OtlpTracing | null;
}

export interface StartOptions {
  /** Which of several nodes of this machine that listen on the same port; null: it is none of them. */
  readonly worker: number | null;
  /** Other processes may listen on the same port: other workers, or a successor. */
  readonly sharedPort: boolean;
}

/** The name of this node among its peers. */
function nodeName(): string {
  return `${hostname()}:${process.pid}`;
}

/** Loads what sends spans, and begins to record them; null without an endpoint. */
async function openTracing(
  { tracing: settings }: Config,
  telemetry: Telemetry,
): Promise<OtlpTracing | null> {
  if (settings === null) return null;
  // Most nodes need no SDK: those start as if there was none.
  const { OtlpTracing } = await import("./tracing/tracing.ts");
  const traces = new OtlpTracing(settings, { telemetry, version: VERSION, node: nodeName() });
  tracing.active = traces;
  const { url, sampler, ratio, ignored } = settings;
  for (const variable of ignored) telemetry.report({ event: "variable_ignored", ...variable });
  telemetry.report({ event: "tracing", url, sampler, ratio });
  return traces;
}

/** Where a line for each request goes: the access log, and the log at level debug; null: nowhere. */
function requestLog(
  { accessLog: format, logLevel }: Config,
  telemetry: Telemetry,
  worker: number | null,
): ((line: RequestLine) => void) | null {
  const write = (text: string) => process.stdout.write(text);
  const access = format === "off" ? null : openAccessLog({ format, write, worker });
  if (access === null && logLevel !== "debug") return null;
  return (line) => {
    access?.(line);
    telemetry.report({ event: "request", ...line });
  };
}

/** Not in the log, which is on standard output: a log is kept, and read by many. */
function printFirstToken(token: string): void {
  process.stderr.write(
    `The first access token, which may do everything; it is not shown again:\n${token}\n`,
  );
}

async function ping(database: Database): Promise<void> {
  await database.query("select 1");
}
