/** Lists that a server gives page by page. */
import type { Connection } from "./connection.ts";
import { jsonOf } from "./json_answer.ts";

/** As many as a page of Penstock may have. */
const PAGE = "1000";

/**
 * The items of all pages.
 * @param url of the list, with what filters it
 * @param member of each page that holds its items
 */
export async function* listed<Item>(
  connection: Connection,
  url: URL,
  member: string,
): AsyncGenerator<Item> {
  url.searchParams.set("limit", PAGE);
  for (let after: string | null = ""; after !== null;) {
    url.searchParams.set("after", after);
    const page: Readonly<Record<string, unknown>> = await jsonOf(
      await connection.send({ method: "GET", url }),
    );
    yield* page[member] as Item[];
    after = page.next_after as string | null;
  }
}
