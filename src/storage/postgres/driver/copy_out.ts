/** `COPY ... TO STDOUT` over postgres.js. */
import { Readable } from "node:stream";
import type postgres from "postgres";
import { CopyRows } from "./copy_rows.ts";
import { CopyTap } from "./copy_tap.ts";
import type { ScannedRow } from "../../database.ts";

/** What postgres.js makes of a COPY, as far as it is used here. */
interface CopyQuery extends Promise<unknown> {
  /** Called with the stream when it begins, and with what else there is at the end. */
  resolve: (result: unknown) => void;
}

/**
 * The rows of a COPY in binary; `expected` bytes of them, about.
 *
 * postgres.js hands out a stream and pauses its socket until that is read; on Deno the socket does
 * not always wake again. All of it is wanted at once anyway, so it is taken before it is a stream:
 * `resolve` is called with the stream ahead of its first piece.
 */
export function copyOut(
  client: { readonly unsafe: postgres.Sql["unsafe"] },
  statement: string,
  expected: number,
): Promise<ScannedRow[]> {
  const rows = new CopyRows(expected);
  // postgres.js sends further statements down a busy connection, and then refuses them because of
  // the COPY. False says that the connection takes no more until this one is done.
  const alone = { onexecute: () => false } as object;
  const query = client.unsafe(statement, [], alone) as unknown as CopyQuery;
  return new Promise((resolve, reject) => {
    const settle = query.resolve;
    query.resolve = (result) => {
      if (!(result instanceof Readable)) return settle(result);
      result.on("error", reject);
      // There is none through TLS: then all of it comes by way of postgres.js.
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

/** COPY takes no parameters. Whole numbers are the only ones that may stand in its text. */
export function withNumbers(statement: string, numbers: readonly number[]): string {
  return statement.replace(/\$(\d+)/g, (_, index) => {
    const value = numbers[Number(index) - 1];
    if (!Number.isSafeInteger(value)) throw new RangeError(`$${index} is not a whole number`);
    return String(value);
  });
}
