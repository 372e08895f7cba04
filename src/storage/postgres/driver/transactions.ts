/**
 * Keeps a lost connection in a transaction from ending the process. When a statement of a
 * transaction fails, postgres.js sends a ROLLBACK on its connection, even when the loss of that
 * connection is what failed. It then writes to a socket that is null, in a later turn of the event
 * loop, where no caller can catch the error.
 */
import type postgres from "postgres";

/** The error codes of postgres.js and of sockets for a lost connection. */
const GONE = /^(CONNECTION_CLOSED|E[A-Z]+)$/;

type Work = (sql: postgres.TransactionSql) => unknown;

/** Makes this client's transactions send nothing on a lost connection. */
export function surviveLostConnections(client: Pick<postgres.Sql, "begin">): void {
  const begin = client.begin as (options: string, work: Work) => Promise<unknown>;
  const guarded = (...given: [Work] | [string, Work]) => {
    const [options, work] = given.length === 1 ? ["", given[0]] as const : given;
    return begin.call(client, options, async (sql) => {
      try {
        return await work(sql);
      } catch (error) {
        // postgres.js rejects what `begin` returned when the connection is closed. A promise that
        // never settles keeps it from sending the ROLLBACK.
        if (isGone(error)) return await new Promise(() => {});
        throw error;
      }
    });
  };
  client.begin = guarded as typeof client.begin;
}

/** Whether the error, or the one that drizzle has wrapped, is a lost connection. */
function isGone(error: unknown): boolean {
  const { code, cause } = Object(error) as { code?: unknown; cause?: unknown };
  return GONE.test(String(code)) || (cause !== undefined && isGone(cause));
}
