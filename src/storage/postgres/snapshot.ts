/** One state of the database for as long as a dump takes, on a connection of its own. */
import type { Snapshot } from "../database.ts";
import type { DriverClient } from "./driver/client.ts";
import { unavailableOr } from "./errors.ts";

/**
 * @param open opens a client with one connection
 * @throws DatabaseUnavailable, or what `work` throws
 */
export async function withSnapshot<T>(
  open: () => DriverClient,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const client = open();
  try {
    return await client.sql.begin(
      "isolation level repeatable read read only",
      async (transaction) => {
        // A reader of the rows may be slow, and a transaction that waits for it is not given up.
        await transaction.unsafe("set local idle_in_transaction_session_timeout = 0");
        await transaction.unsafe("set local timezone = 'UTC'");
        return await work({
          query: (statement, parameters = []) =>
            transaction.unsafe(statement, parameters as never[], { prepare: true }) as never,
        });
      },
    ) as T;
  } catch (error) {
    throw unavailableOr(error);
  } finally {
    await client.end();
  }
}
