/** A real PgBouncer, in front of the test's PostgreSQL. */
import { type RunningProgram, startProgram } from "./program.ts";

export interface RunningPgBouncer extends RunningProgram {
  /** The URL it was given, by way of PgBouncer. */
  readonly databaseUrl: string;
}

/**
 * Starts it in transaction mode with three connections per database.
 * @param settings of the section [pgbouncer], in place of or beside ours
 */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<RunningPgBouncer> {
  const url = new URL(databaseUrl);
  const target = [
    `host=${url.hostname}`,
    `port=${url.port || 5432}`,
    `user=${decodeURIComponent(url.username)}`,
    ...url.password === "" ? [] : [`password=${decodeURIComponent(url.password)}`],
  ];
  const program = await startProgram("pgbouncer", {
    files: ({ port }) => {
      const all = {
        listen_addr: "127.0.0.1",
        listen_port: port,
        unix_socket_dir: "",
        auth_type: "any",
        pool_mode: "transaction",
        default_pool_size: 3,
        ...settings,
      };
      const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
      return {
        "pgbouncer.ini": `[databases]\n* = ${target.join(" ")}\n[pgbouncer]\n${lines.join("\n")}\n`,
      };
    },
    args: () => ["pgbouncer.ini"],
  });
  url.port = String(program.port);
  return Object.assign(program, { databaseUrl: url.href });
}
