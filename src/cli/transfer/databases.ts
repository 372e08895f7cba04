/** The databases that a transfer is from and to, opened by the settings of the server. */
import process from "node:process";
import { ClientError, EXIT } from "../../client/exit_codes.ts";
import type { Invocation } from "../../client/command.ts";
import type { Database } from "../../storage/database.ts";
import { migrate } from "../../storage/migrate.ts";
import { findDatabase, openDatabase } from "../../storage/open.ts";
import { ConfigError, type Environment, parseConfig } from "../config.ts";
import { FLAGS } from "../server_commands.ts";

/** Flags that name the database, with those of how to reach it. */
export const DATABASE_FLAGS = FLAGS.filter(({ name }) =>
  ["database-url", "data-dir", "database-timeout"].includes(name)
);

/** How long a statement of a transfer may take, unless `--database-timeout` says otherwise. */
const TIMEOUT = "5m";

/** The database that the flags or the environment name. */
export function withDatabase<T>(
  invocation: Pick<Invocation, "text">,
  { mayCreate }: { readonly mayCreate: boolean },
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const flags = new Map<string, string>();
  for (const { name } of DATABASE_FLAGS) {
    const value = invocation.text(name);
    if (value !== undefined) flags.set(name, value);
  }
  return opened(flags, process.env, mayCreate, work);
}

/** The database at a place: a `postgres://` URL, or else a folder. */
export function withPlace<T>(
  place: string,
  { mayCreate }: { readonly mayCreate: boolean },
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const flag = /^postgres(ql)?:\/\//.test(place) ? "database-url" : "data-dir";
  return opened(new Map([[flag, place]]), {}, mayCreate, work);
}

async function opened<T>(
  flags: ReadonlyMap<string, string>,
  environment: Environment,
  mayCreate: boolean,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  let config;
  try {
    config = parseConfig(new Map([["database-timeout", TIMEOUT], ...flags]), environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ClientError(EXIT.usage, error.message);
  }
  const { exists, place } = findDatabase(config);
  if (!exists && !mayCreate) {
    throw new ClientError(
      EXIT.notFound,
      `there is no database in ${place}: name one by --database-url or --data-dir`,
    );
  }
  const database = await openDatabase(config, () => {});
  try {
    await migrate(database);
    return await work(database);
  } finally {
    await database.close();
  }
}
