/**
 * Does the work of PostgreSQL's background processes, which the embedded server, a single process,
 * does not have. Without a checkpointer its WAL would grow until the server is closed; without
 * autovacuum dead rows would never be reclaimed, and transaction ids would one day wrap around.
 */
import { setImmediate } from "node:timers";
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import { PeriodicTask } from "../../lib/periodic_task.ts";
import { BaseService } from "../../lib/service.ts";
import type { Engine } from "./engine.ts";
import { CHECKPOINT_SEGMENTS } from "./server_settings.ts";

/** How often to query for tables that need a vacuum. Milliseconds. */
const VACUUM_INTERVAL_MS = 15_000;

/**
 * Autovacuum's own rules, with higher thresholds, because requests have to wait for a vacuum here.
 * One rule is added that counts bytes, TOAST included: a deleted stream of large messages is few
 * rows and much TOAST, which autovacuum counts as a table of its own.
 */
const TABLES_TO_VACUUM = `
  with tables as (
    select s.relid, s.schemaname, s.relname, s.n_dead_tup, s.n_ins_since_vacuum,
      s.n_mod_since_analyze, greatest(c.reltuples, 0) as tuples,
      pg_table_size(s.relid) as bytes,
      pg_relation_size(s.relid) * (s.n_dead_tup::float8 / greatest(s.n_dead_tup + s.n_live_tup, 1))
      + coalesce(pg_relation_size(t.relid)
        * (t.n_dead_tup::float8 / greatest(t.n_dead_tup + t.n_live_tup, 1)), 0) as dead_bytes
    from pg_stat_user_tables s
    join pg_class c on c.oid = s.relid
    left join pg_stat_all_tables t on t.relid = c.reltoastrelid
  )
  select format('%I.%I', schemaname, relname) as name
  from tables
  where n_dead_tup > 1000 + 0.2 * tuples
    or n_ins_since_vacuum > 10000 + 0.2 * tuples
    or n_mod_since_analyze > 10000 + 0.2 * tuples
    or dead_bytes > 16 * 1024 * 1024 + 0.2 * bytes`;

/** Keeps the oldest transaction id far from the wrap at 2^31. */
const DATABASE_IS_OLD = `
  select age(datfrozenxid) > 200000000 as old
  from pg_database where datname = current_database()`;

/** Runs `work` when no transaction is open. It rejects when the database is closed. */
export type Exclusively = (work: (engine: Engine) => void) => Promise<void>;

export class Maintenance extends BaseService {
  readonly #exclusively: Exclusively;
  readonly #vacuums = new PeriodicTask({
    run: () => this.vacuum(),
    pauseMs: VACUUM_INTERVAL_MS,
  });
  #checkpointing = false;

  constructor(exclusively: Exclusively) {
    super();
    this.#exclusively = exclusively;
  }

  protected override onStart(): Promise<void> {
    return this.#vacuums.start();
  }

  protected override onStop(): Promise<void> {
    return this.#vacuums.stop();
  }

  /** Must be called after every statement. It costs a comparison until a checkpoint is due. */
  afterStatement(engine: Engine): void {
    if (this.#checkpointing || engine.files.walSegments < CHECKPOINT_SEGMENTS) return;
    this.#checkpointing = true;
    // The answer to the statement is sent before the checkpoint begins.
    setImmediate(() => {
      this.#exclusively(checkpoint).catch(() => {}).finally(() => this.#checkpointing = false);
    });
  }

  /**
   * Vacuums the tables that need it, one at a time, so that requests are served in between.
   * @throws DatabaseUnavailable when the database is closed, or other statements keep it too long
   */
  async vacuum(): Promise<void> {
    let commands: string[] = [];
    await this.#exclusively((engine) => commands = vacuumCommands(engine));
    for (const command of commands) {
      await yieldToEventLoop();
      await this.#exclusively((engine) => void engine.script(command));
    }
  }
}

function checkpoint(engine: Engine): void {
  engine.script("checkpoint");
  engine.files.checkpointed();
}

function vacuumCommands(engine: Engine): string[] {
  // A backend reports its statistics once a second at most, and not between statements.
  engine.script("select pg_stat_force_next_flush()");
  const [old] = engine.run(DATABASE_IS_OLD, [], { keep: true }).reply.rows;
  if (old?.[0] === true) return ["vacuum (analyze)"];
  return engine.run(TABLES_TO_VACUUM, [], { keep: true }).reply.rows
    .map(([name]) => `vacuum (analyze) ${name}`);
}
