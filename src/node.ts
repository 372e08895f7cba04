/** One running Penstock: opens the database, serves, and goes away in an orderly manner. */
import type { Config } from "./cli/config.ts";
import { listen, type Listener } from "./http/server.ts";
import { createRouter } from "./http/router.ts";
import { type Database } from "./storage/database.ts";
import { migrate } from "./storage/migrate.ts";
import { openDatabase } from "./storage/open.ts";
import { Streams } from "./streams/streams.ts";
import { Subscriptions } from "./subscriptions/subscriptions.ts";
import type { Telemetry } from "./telemetry/events.ts";
import { VERSION } from "./version.ts";

/** How long requests may take to end before the process ends with them. Milliseconds. */
const STOP_MS = 10_000;

/** The part of the memory for what is under way that appends may take while they wait. */
const WAITING_SHARE = 0.25;

export class Node {
  readonly url: string;
  readonly database: Database;
  readonly #listener: Listener;
  readonly #streams: Streams;
  readonly #subscriptions: Subscriptions;
  readonly #telemetry: Telemetry;
  readonly #drainDelayMs: number;
  #leaving = false;

  private constructor(
    database: Database,
    streams: Streams,
    subscriptions: Subscriptions,
    listener: Listener,
    telemetry: Telemetry,
    drainDelayMs: number,
  ) {
    this.#drainDelayMs = drainDelayMs;
    this.database = database;
    this.#streams = streams;
    this.#subscriptions = subscriptions;
    this.#listener = listener;
    this.#telemetry = telemetry;
    this.url = urlOf(listener);
  }

  /**
   * @param sharedPort whether other nodes of this machine listen there too
   * @throws Error with a sentence for the operator: database, schema, data folder or address
   */
  static async start(
    config: Config,
    telemetry: Telemetry,
    sharedPort = false,
  ): Promise<Node> {
    const database = await openDatabase(config, (event) => telemetry.report(event));
    try {
      const { applied } = await migrate(database);
      if (applied.length > 0) telemetry.report({ event: "migrated", steps: applied });
      const streams = new Streams(database, telemetry, {
        waitingBytes: config.maxBufferedBytes * WAITING_SHARE,
      });
      await streams.start();
      const subscriptions = new Subscriptions({
        database,
        streams,
        telemetry,
        allowLocalWebhooks: config.allowHttpWebhooks,
        publicUrl: () => config.publicUrl ?? urlOf(listener),
      });
      await subscriptions.prepare();
      const handler = createRouter(
        {
          ...{ streams, subscriptions, telemetry },
          leaving: () => node.#leaving,
          ping: () => ping(database),
        },
        config,
      );
      const listener = listen({
        hostname: config.host,
        port: config.port,
        handler,
        sharedPort,
      });
      subscriptions.start();
      const { drainDelayMs } = config;
      const parts = [database, streams, subscriptions, listener, telemetry] as const;
      const node: Node = new Node(...parts, drainDelayMs);
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

  /**
   * Serves on for the drain delay, then stops accepting, ends the followers, finishes the appends,
   * closes the database.
   */
  async stop(reason: string): Promise<void> {
    this.#telemetry.report({ event: "stopping", reason, followers: this.#streams.followers });
    this.#leaving = true;
    if (this.#drainDelayMs > 0) {
      await new Promise((resolve) => setTimeout(resolve, this.#drainDelayMs));
    }
    const answered = this.#listener.shutdown();
    this.#streams.drain();
    if (!await within(answered, STOP_MS)) {
      this.#telemetry.report({ event: "stop_forced", reason: "requests were still open" });
    }
    await within(this.#subscriptions.stop(), STOP_MS);
    await within(this.#streams.stop().then(() => this.database.close()), STOP_MS);
    this.#telemetry.report({ event: "stopped" });
  }
}

function urlOf({ hostname, port }: Listener): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

async function ping(database: Database): Promise<void> {
  await database.query("select 1");
}

/** Whether `work` ended in time, well or not. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = await Promise.race([work.then(() => true, () => true), late]);
  clearTimeout(timer);
  return done;
}
