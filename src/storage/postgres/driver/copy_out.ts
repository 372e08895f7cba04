/** `COPY ... TO STDOUT` over postgres.js. */
import { Readable } from "node:stream";
import type postgres from "postgres";
import { CopyRows } from "./copy_rows.ts";
import { CopyTap } from "./copy_tap.ts";
import type { ScannedRow } from "../../database.ts";

/** The part of postgres.js's query for a COPY that is used here. */
interface CopyQuery extends Promise<unknown> {
  /** postgres.js calls it with the stream when the COPY begins, and with the result at its end. */
  resolve: (result: unknown) => void;
}

/**
 * The rows of a COPY in binary, of about `expected` bytes.
 *
 * postgres.js makes a stream of a COPY, and pauses its socket until the stream is read; on Deno the
 * socket does not always resume. We want all bytes at once anyway, so `CopyTap` takes them before
 * they reach the stream: postgres.js calls `resolve` before the first of them arrives.
 */
export function copyOut(
  client: { readonly unsafe: postgres.Sql["unsafe"] },
  statement: string,
  expected: number,
): Promise<ScannedRow[]> {
  const rows = new CopyRows(expected);
  // postgres.js would pipeline further statements on this connection, and then fail them because of
  // the COPY. Returning false keeps other statements off the connection until the COPY has ended.
  const alone = { onexecute: () => false } as object;
  const query = client.unsafe(statement, [], alone) as unknown as CopyQuery;
  return new Promise((resolve, reject) => {
    const settle = query.resolve;
    query.resolve = (result) => {
      if (!(result instanceof Readable)) return settle(result);
      result.on("error", reject);
      // A connection with TLS has no tap: its COPY is read from the stream of postgres.js.
      CopyTap.current?.copyTo(rows);
      result.push = (piece) => {
        if (piece === null) resolve(rows.rows());
        else rows.add(piece);
        return true;
      };
    };
    query.catch(reject);
  });
}

/** COPY takes no parameters, so they are put into its text: only whole numbers, which are safe. */
export function withNumbers(statement: string, numbers: readonly number[]): string {
  return statement.replace(/\$(\d+)/g, (_, index) => {
    const value = numbers[Number(index) - 1];
    if (!Number.isSafeInteger(value)) throw new RangeError(`$${index} is not a whole number`);
    return String(value);
  });
}
