/** Counts what is asked of a real database. */
import type { Database } from "../../src/storage/database.ts";

export interface Counts {
  /** By their first words. */
  readonly statements: Map<string, number>;
  /** Of `scan`. */
  rows: number;
}

/** A real database whose statements are counted on their way. */
export function counted(database: Database): { database: Database; counts: Counts } {
  const counts: Counts = { statements: new Map(), rows: 0 };
  const count = (statement: string) => {
    const name =
      /commit_append|changed_streams|load_states|pg_notify|read_segments|producers/.exec(statement)
        ?.[0] ?? "other";
    counts.statements.set(name, (counts.statements.get(name) ?? 0) + 1);
  };
  const counting = new Proxy(database, {
    get(target, name) {
      if (name === "query" || name === "hedged") {
        return (statement: string, parameters: never) => {
          count(statement);
          return target[name](statement, parameters);
        };
      }
      if (name === "scan") {
        return async (statement: string, parameters: never) => {
          const rows = await target.scan(statement, parameters);
          counts.rows += rows.length;
          return rows;
        };
      }
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { database: counting, counts };
}
