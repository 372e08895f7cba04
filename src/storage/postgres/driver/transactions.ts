/**
 * Transactions of postgres.js that outlive their connection. When a statement in one fails,
 * postgres.js sends a ROLLBACK on the connection it had, even when the connection is gone and was
 * what failed; it then writes to a socket that is null, in a turn of the event loop of its own, where
 * nobody can catch what it throws, and the process ends.
 */
import type postgres from "postgres";

/** What postgres.js and sockets call a connection that is gone. */
const GONE = /^(CONNECTION_CLOSED|E[A-Z]+)$/;

type Work = (sql: postgres.TransactionSql) => unknown;

/** Has this client's transactions send nothing on a connection that is gone. */
export function surviveLostConnections(client: Pick<postgres.Sql, "begin">): void {
  const begin = client.begin as (options: string, work: Work) => Promise<unknown>;
  const guarded = (...given: [Work] | [string, Work]) => {
    const [options, work] = given.length === 1 ? ["", given[0]] as const : given;
    return begin.call(client, options, async (sql) => {
      try {
        return await work(sql);
      } catch (error) {
        // The close itself rejects what `begin` returned; what never ends here is not rolled back.
        if (isGone(error)) return await new Promise(() => {});
        throw error;
      }
    });
  };
  client.begin = guarded as typeof client.begin;
}

/** Of the error itself, or of what drizzle wrapped. */
function isGone(error: unknown): boolean {
  const { code, cause } = Object(error) as { code?: unknown; cause?: unknown };
  return GONE.test(String(code)) || (cause !== undefined && isGone(cause));
}
