/** `GET __ds/dump`, an extension: streams as one snapshot, for holders of `admin` on all paths. */
import { NO_NAMESPACE } from "../access/namespaces.ts";
import type { Principal } from "../access/principal.ts";
import { invalidRequest, Overloaded, Refused } from "../errors.ts";
import { type Glob, matcherOf, parseGlob } from "../protocol/glob.ts";
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import type { Database } from "../storage/database.ts";
import { compress } from "../transfer/compression.ts";
import { dumpDatabase } from "../transfer/dump.ts";
import { dumpPieces } from "../transfer/dump_pieces.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import { parseQuery } from "./query_parameters.ts";
import { NO_STORE, respond } from "./respond.ts";

export const DUMP_PATH = `${STREAM_PREFIX}__ds/dump`;

const EVERY_PATH = matcherOf(parseGlob("**") as Glob);

/** A client that takes nothing for so long is cut off: its snapshot holds old rows in the database. */
const STALLED_MS = 60_000;

/** Dumps of this node, one at a time: each has a database connection of its own. */
export class Dumps {
  readonly #database: Database;
  #running = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * @param query what follows `?` in the URL, or ""
   * @param principal null: there is no access control
   */
  respond(request: Request, query: string, principal: Principal | null): Response {
    if (request.method !== "GET") {
      return respondMethodNotAllowed("GET");
    }
    // A holder in a namespace has all paths of that, and the dump has all there are.
    const mayDump = principal === null ||
      (principal.namespace === NO_NAMESPACE && principal.allowsPattern("admin", EVERY_PATH));
    if (!mayDump) {
      throw new Refused({ kind: "forbidden", operation: "admin" });
    }
    const { prefix, secrets } = parseOptions(query);
    if (secrets && principal === null) {
      throw invalidRequest("secrets are dumped only where there is access control");
    }
    if (this.#database.kind === "embedded") return respondRefusal({ kind: "no_snapshot" });
    if (this.#running) throw new Overloaded("a dump is under way on this node");
    this.#running = true;
    const pieces = compress(
      dumpPieces((write) =>
        dumpDatabase(this.#database, { prefix, secrets, write }).then(() => {}).finally(() => {
          this.#running = false;
        })
      ),
    );
    return respond(200, [
      ["Content-Type", "application/vnd.penstock.dump"],
      ["Cache-Control", NO_STORE],
    ], streamOf(pieces));
  }
}

function parseOptions(query: string): { readonly prefix: string; readonly secrets: boolean } {
  const parameters = parseQuery(query, ["prefix", "secrets"]);
  const secrets = parameters.get("secrets") ?? "false";
  if (secrets !== "true" && secrets !== "false") {
    throw invalidRequest("secrets is true or false");
  }
  return { prefix: parameters.get("prefix") ?? "", secrets: secrets === "true" };
}

/** A failure cuts the response off, which the dump's own checksums then show. */
function streamOf(pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array> {
  let stalled: ReturnType<typeof setTimeout> | undefined;
  const end = () => void pieces.return(undefined).catch(() => {});
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(stalled);
      const { value, done } = await pieces.next();
      if (done === true) return controller.close();
      controller.enqueue(value);
      stalled = setTimeout(() => {
        controller.error(new Error("the dump is not taken"));
        end();
      }, STALLED_MS);
    },
    cancel() {
      clearTimeout(stalled);
      end();
    },
  }, { highWaterMark: 1 });
}
