/** `penstock import`: streams of any Durable Streams server, over the protocol. */
import { readFileSync } from "node:fs";
import type { Command, Invocation } from "../command.ts";
import { Connection } from "../connection.ts";
import { ClientError, EXIT, usageError } from "../exit_codes.ts";
import { ImportState } from "../import_state.ts";
import { Patience } from "../patience.ts";
import { Progress } from "../progress.ts";
import { importStream, type OffsetPair } from "../stream_import.ts";
import { parseBaseUrl, streamUrl } from "../stream_url.ts";

const RETRY_MS = 60_000;

/** Not `import`, which is a word of the language. */
export const importStreams: Command = {
  name: "import",
  summary: "Bring streams of another Durable Streams server here",
  operands: [],
  flags: [
    { name: "from", value: "url", help: "Where the other server's streams are" },
    { name: "from-token", value: "token", help: "Bearer token for the other server" },
    { name: "streams", value: "file", help: "Paths of the streams, one a line" },
    { name: "state", value: "file", help: "Remembers how far it is [the list's name and .state]" },
  ],
  details:
    "Content types, TTL and closure are kept. Prints where each stream ends on the other server\n" +
    "and here: a client that has read up to the one goes on at the other. Run it again to bring\n" +
    "what was appended since, until nobody writes to the other server any more.",
  examples: ["penstock import --from https://old.example/v1/stream --streams list.txt"],
  retryMs: RETRY_MS,
  async run(invocation) {
    const { console, text, has } = invocation;
    const [given, list] = [text("from"), text("streams")];
    if (given === undefined || list === undefined) throw usageError("give --from and --streams");
    const base = parseBaseUrl(given);
    const paths = pathsOf(list);
    const state = new ImportState(text("state") ?? `${list}.state`, base.href);
    const source = sourceOf(invocation, base);
    const progress = new Progress(console, true);
    const pairs: OffsetPair[] = [];
    let failed = 0;
    try {
      for (const [at, path] of paths.entries()) {
        try {
          pairs.push(
            await importStream({
              path,
              from: { connection: source, url: streamUrl(base, path) },
              to: { connection: invocation.connection, url: invocation.streamUrl(path) },
              state,
              onAppended: (bytes, messages) => progress.add(bytes, messages),
            }),
          );
        } catch (error) {
          failed++;
          console.tell(`${path}: ${error instanceof Error ? error.message : error}`, "red");
        }
        progress.reach((at + 1) / paths.length);
      }
    } finally {
      progress.end();
      state.close();
    }
    await console.write(has("json") ? linesOf(pairs) : tableOf(pairs));
    await console.flush();
    if (failed === 0) return EXIT.ok;
    throw new ClientError(EXIT.failure, `${failed} of ${paths.length} streams were not imported`);
  },
};

/** The other server gets its own token and no other. */
function sourceOf({ console, text }: Invocation, base: URL): Connection {
  const token = text("from-token");
  return new Connection({
    patience: new Patience({ givenMs: undefined, answeredMs: RETRY_MS }),
    authorization: (url) =>
      token === undefined || url.origin !== base.origin ? null : `Bearer ${token}`,
    onOutage: (message) => console.tell(message),
  });
}

function pathsOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw usageError(`${file} cannot be read`);
  }
  const paths = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (paths.length === 0) throw usageError(`${file} names no stream`);
  return [...new Set(paths)];
}

function linesOf(pairs: readonly OffsetPair[]): string {
  return pairs.map((pair) => `${JSON.stringify(pair)}\n`).join("");
}

function tableOf(pairs: readonly OffsetPair[]): string {
  const rows = [
    ["stream", "offset there", "offset here", ""],
    ...pairs.map(({ path, from, to, closed }) => [path, from, to, closed ? "closed" : ""]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}\n`
  ).join("");
}
