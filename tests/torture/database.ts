/**
 * The PostgreSQL behind the nodes: one server, or a primary and a standby that every commit waits
 * for, so that what was acked survives the loss of the primary.
 */
import postgres from "postgres";
import { NodeLink } from "./node_link.ts";
import { type PostgresServers, startPostgresServers } from "./postgres_servers.ts";

const HOST = "127.0.0.1";
const DATABASE = "torture";
const ROLE = "app";
/** So small that WAL and data of a run fit, and that it is filled in a moment. */
const DISK_BYTES = 1 << 30;
const CATCH_UP_MS = 20_000;

type Sql = postgres.Sql;

export interface DatabaseOptions {
  readonly nodes: number;
  readonly standby: boolean;
  readonly disk: boolean;
}

export class TortureDatabase {
  /** One for each node. */
  readonly links: readonly NodeLink[];
  /** Whether there is a disk to fill. */
  readonly ownDisk: boolean;
  readonly #servers: PostgresServers;
  readonly #ports = new Map<string, number>();
  #primary = "a";
  /** Follows, and commits wait for it. */
  #standby: string | null = null;

  private constructor(servers: PostgresServers, links: NodeLink[], a: Added, b: Added | null) {
    this.#servers = servers;
    this.links = links;
    this.ownDisk = a.disk;
    this.#ports.set("a", a.port);
    if (b !== null) this.#ports.set("b", b.port);
  }

  static async start(options: DatabaseOptions): Promise<TortureDatabase> {
    const servers = await startPostgresServers();
    try {
      const disk = options.disk ? { disk: DISK_BYTES } : {};
      const a = await servers.command<Added>("add", "a", disk);
      const b = options.standby ? await servers.command<Added>("add", "b", disk) : null;
      await servers.command("init", "a");
      await servers.command("start", "a");
      const targets = [a, ...b === null ? [] : [b]].map(({ port }) => ({ host: HOST, port }));
      const links = await Promise.all(
        // Half of the nodes know both servers, the others an address that moves.
        Array.from(
          { length: options.nodes },
          (_, at) => at % 2 === 0 ? NodeLink.toEach(targets) : NodeLink.moving(targets[0]!),
        ),
      );
      const database = new TortureDatabase(servers, links, a, b);
      await database.asAdmin(async (sql) => {
        await sql.unsafe(`create role ${ROLE} login`);
        await sql.unsafe(`create database ${DATABASE} owner ${ROLE}`);
      });
      if (b !== null) await database.rebuildStandby();
      return database;
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** For the node with this number. */
  urlFor(node: number): string {
    return `postgres://${ROLE}@${this.links[node]!.hosts}/${DATABASE}`;
  }

  /** Not through a proxy, as what the nodes are: no superuser. */
  get directUrl(): string {
    return `postgres://${ROLE}@${HOST}:${this.#ports.get(this.#primary)}/${DATABASE}`;
  }

  get hasStandby(): boolean {
    return this.#standby !== null;
  }

  /** Runs something on the primary as superuser, in one connection. */
  async asAdmin<T>(work: (sql: Sql) => Promise<T>, database = "postgres"): Promise<T> {
    const url = `postgres://postgres@${HOST}:${this.#ports.get(this.#primary)}/${database}`;
    const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async stopPrimary(signal: "SIGINT" | "SIGQUIT" | "SIGKILL"): Promise<void> {
    await this.#servers.command("stop", this.#primary, { signal });
  }

  async startPrimary(): Promise<void> {
    await this.#servers.command("start", this.#primary);
  }

  async signalPrimary(signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
    await this.#servers.command("signal", this.#primary, { signal });
  }

  async signalStandby(signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
    if (this.#standby !== null) await this.#servers.command("signal", this.#standby, { signal });
  }

  async fillDisk(): Promise<void> {
    await this.#servers.command("fill", this.#primary);
  }

  async freeDisk(): Promise<void> {
    await this.#servers.command("free", this.#primary);
  }

  /**
   * Kills the primary and makes the standby the primary. Only when the standby holds all that has
   * been acked: what was committed while it was away is lost with the primary, in any cluster.
   * @returns whether it was done
   */
  async failOver(): Promise<boolean> {
    const standby = this.#standby;
    if (standby === null || !(await this.#caughtUp(CATCH_UP_MS))) return false;
    await this.stopPrimary("SIGKILL");
    this.#standby = null;
    this.#primary = standby;
    await this.asAdmin((sql) => sql.unsafe("select pg_promote(true, 30)"));
    await this.asAdmin((sql) => this.#waitFor(sql, ""));
    for (const link of this.links) link.follow({ host: HOST, port: this.#ports.get(standby)! });
    return true;
  }

  /** The primary that was killed comes back, and does not know that it is none any more. */
  async reviveOldPrimary(): Promise<void> {
    await this.#servers.command("start", this.#other);
  }

  get #other(): string {
    return this.#primary === "a" ? "b" : "a";
  }

  /** Makes a standby of the server that is not the primary, and has commits wait for it. */
  async rebuildStandby(): Promise<void> {
    const standby = this.#other;
    await this.#servers.command("stop", standby, { signal: "SIGKILL" });
    const primary = this.#ports.get(this.#primary)!;
    await this.asAdmin(async (sql) => {
      const copy = { from: this.#primary, primary };
      await sql.unsafe("select pg_backup_start('torture', true)");
      await this.#servers.command("copy", standby, copy);
      const [row] = await sql.unsafe("select labelfile from pg_backup_stop(false)");
      await this.#servers.command("label", standby, { label: row!.labelfile as string });
    });
    await this.#servers.command("start", standby);
    this.#standby = standby;
    if (!(await this.#caughtUp(CATCH_UP_MS))) throw new Error("the standby does not follow");
    await this.asAdmin((sql) => this.#waitFor(sql, "*"));
  }

  async stop(): Promise<void> {
    for (const link of this.links) link.stop();
    await this.#servers.stop();
  }

  /** What commits wait for: every standby, or none. */
  async #waitFor(sql: Sql, names: "" | "*"): Promise<void> {
    await sql.unsafe(`alter system set synchronous_standby_names = '${names}'`);
    await sql.unsafe("select pg_reload_conf()");
  }

  /** Whether the standby has, within this time, all that the primary has flushed. */
  async #caughtUp(limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    return await this.asAdmin(async (sql) => {
      while (performance.now() < deadline) {
        const rows = await sql.unsafe(
          `select 1 from pg_stat_replication
           where state = 'streaming' and flush_lsn >= pg_current_wal_flush_lsn()`,
        );
        if (rows.length > 0) return true;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return false;
    }).catch(() => false);
  }
}

interface Added {
  readonly port: number;
  readonly disk: boolean;
}
