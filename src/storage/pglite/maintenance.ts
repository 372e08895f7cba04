/**
 * What PostgreSQL's background processes would do. The embedded server is a single process: it
 * has no checkpointer, so its WAL would grow until it is closed, and no autovacuum, so dead rows
 * would never be reclaimed and transaction ids would one day wrap.
 */
import { clearInterval, setImmediate, setInterval } from "node:timers";
import type { Engine } from "./engine.ts";
import { CHECKPOINT_SEGMENTS } from "./files.ts";

/** How often to look for tables that want a vacuum. */
const VACUUM_INTERVAL_MS = 60_000;

/**
 * Autovacuum's own rules, with higher floors: a vacuum here keeps requests waiting. The last
 * condition keeps the oldest transaction id far from the wrap at 2^31.
 */
const TABLES_TO_VACUUM = `
  select format('%I.%I', s.schemaname, s.relname) as name
  from pg_stat_user_tables s join pg_class c on c.oid = s.relid
  where s.n_dead_tup > 1000 + 0.2 * greatest(c.reltuples, 0)
    or s.n_ins_since_vacuum > 10000 + 0.2 * greatest(c.reltuples, 0)
    or s.n_mod_since_analyze > 10000 + 0.2 * greatest(c.reltuples, 0)`;

const DATABASE_IS_OLD = `
  select age(datfrozenxid) > 200000000 as old
  from pg_database where datname = current_database()`;

/** Runs `work` when no transaction is open; rejects when the database is closed. */
export type Exclusively = (work: (engine: Engine) => void) => Promise<void>;

export class Maintenance {
  #exclusively: Exclusively;
  #timer: ReturnType<typeof setInterval>;
  #checkpointing = false;

  constructor(exclusively: Exclusively) {
    this.#exclusively = exclusively;
    this.#timer = setInterval(() => {
      void this.vacuum().catch(() => {});
    }, VACUUM_INTERVAL_MS);
    this.#timer.unref();
  }

  /** To be called after every statement: costs a comparison until there is enough to do. */
  afterStatement(engine: Engine): void {
    if (this.#checkpointing || engine.files.walSegments < CHECKPOINT_SEGMENTS) return;
    this.#checkpointing = true;
    // Not before the answer to the statement is out.
    setImmediate(() => {
      this.#exclusively(checkpoint).catch(() => {}).finally(() => this.#checkpointing = false);
    });
  }

  /** One table at a time, so that requests are served in between. */
  async vacuum(): Promise<void> {
    let commands: string[] = [];
    await this.#exclusively((engine) => commands = vacuumCommands(engine));
    for (const command of commands) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#exclusively((engine) => void engine.script(command));
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function checkpoint(engine: Engine): void {
  engine.script("checkpoint");
  engine.files.checkpointed();
}

function vacuumCommands(engine: Engine): string[] {
  // A backend reports what it did once a second at most, and not between statements.
  engine.script("select pg_stat_force_next_flush()");
  const [old] = engine.run(DATABASE_IS_OLD, [], { keep: true }).reply.rows;
  if (old?.[0] === true) return ["vacuum (analyze)"];
  return engine.run(TABLES_TO_VACUUM, [], { keep: true }).reply.rows
    .map(([name]) => `vacuum (analyze) ${name}`);
}
