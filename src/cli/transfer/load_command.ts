/** `penstock load` and `penstock copy`: a dump, or another database, into a database. */
import type { Command, Flag, Invocation } from "../../client/command.ts";
import type { Console } from "../../client/console.ts";
import { ClientError, EXIT, usageError } from "../../client/exit_codes.ts";
import { Progress } from "../../client/progress.ts";
import { decompress } from "../../transfer/compression.ts";
import { dumpDatabase } from "../../transfer/dump.ts";
import { dumpPieces } from "../../transfer/dump_pieces.ts";
import { loadDump, type LoadOptions } from "../../transfer/load.ts";
import { type LoadReport, LoadStopped } from "../../transfer/load_refusals.ts";
import { DATABASE_FLAGS, withDatabase, withPlace } from "./databases.ts";

const EXISTING_FLAGS: readonly Flag[] = [
  { name: "replace", help: "Streams of the dump take the place of those at their paths" },
  { name: "skip", help: "Streams at the paths of the dump's stay as they are" },
  { name: "resume", help: "Go on with a load of the same streams that was interrupted" },
];

export const load: Command = {
  name: "load",
  summary: "Store the streams of a dump from standard input",
  operands: [],
  flags: [...EXISTING_FLAGS, ...DATABASE_FLAGS],
  details:
    "Loads into the database that --database-url or --data-dir names, which is made where it is\n" +
    "missing. A data folder must not be in use; a PostgreSQL may be. A dump that is not as it was\n" +
    "written is refused at its first wrong checksum: the streams before it are loaded.",
  examples: ["penstock load --data-dir ./data < streams.dump"],
  retryMs: 0,
  async run(invocation) {
    const { console } = invocation;
    if (console.inputIsTerminal) throw usageError("give the dump on standard input");
    const options = optionsOf(invocation);
    const progress = new Progress(console, true);
    const size = console.inputBytes();
    let read = 0;
    const input = async function* () {
      for await (const piece of console.input) {
        read += piece.length;
        progress.reach(size === null || size === 0 ? null : read / size);
        yield piece;
      }
    };
    return await reporting(
      console,
      progress,
      () =>
        withDatabase(
          invocation,
          { mayCreate: true },
          (database) =>
            loadDump(database, decompress(input()), {
              ...options,
              onStream: (bytes) => progress.add(bytes, 0),
            }),
        ),
    );
  },
};

export const copy: Command = {
  name: "copy",
  summary: "Copy all streams from one database into another, offsets unchanged",
  operands: [],
  flags: [
    { name: "from", value: "database", help: "A data folder, or a postgres:// URL" },
    { name: "to", value: "database", help: "A data folder, or a postgres:// URL" },
    { name: "prefix", value: "path", help: "Only streams whose paths begin so" },
    { name: "without-secrets", help: "Neither signing keys nor access tokens" },
    ...EXISTING_FLAGS,
  ],
  details:
    "Stop the server first: what is appended behind the copy's back is not copied, and a data\n" +
    "folder that is in use is refused. Offsets stay what they are, so clients go on where they\n" +
    "were once a server serves the copy.",
  examples: ["penstock copy --from ./data --to postgres://penstock@db.example/penstock"],
  retryMs: 0,
  async run(invocation) {
    const { console, text, has } = invocation;
    const [from, to] = [text("from"), text("to")];
    if (from === undefined || to === undefined) throw usageError("give --from and --to");
    if (from === to) throw usageError("--from and --to are the same");
    const options = optionsOf(invocation);
    const progress = new Progress(console, true);
    return await reporting(
      console,
      progress,
      () =>
        withPlace(
          from,
          { mayCreate: false },
          (source) =>
            withPlace(to, { mayCreate: true }, (target) => {
              const pieces = dumpPieces((write) =>
                dumpDatabase(source, {
                  prefix: text("prefix") ?? "",
                  secrets: !has("without-secrets"),
                  write,
                }).then(() => {})
              );
              return loadDump(target, pieces, {
                ...options,
                onStream: (bytes) => progress.add(bytes, 0),
              });
            }),
        ),
    );
  },
};

function optionsOf({ has }: Pick<Invocation, "has">): LoadOptions {
  if (has("replace") && has("skip")) throw usageError("give --replace or --skip, not both");
  return {
    onExisting: has("replace") ? "replace" : has("skip") ? "skip" : null,
    resume: has("resume"),
  };
}

async function reporting(
  console: Console,
  progress: Progress,
  work: () => Promise<LoadReport>,
): Promise<typeof EXIT.ok> {
  try {
    const report = await work();
    progress.end();
    console.tell(sentenceOf(report), "green");
    return EXIT.ok;
  } catch (error) {
    progress.end();
    if (!(error instanceof LoadStopped)) throw error;
    throw new ClientError(EXIT.failure, error.message);
  }
}

function sentenceOf(report: LoadReport): string {
  const { loaded, bytes, replaced, skipped, unchanged, subscriptions } = report;
  const parts = [
    `loaded ${loaded} streams, ${bytes} bytes`,
    ...(replaced > 0 ? [`${replaced} of them in the place of others`] : []),
    ...(skipped > 0 ? [`skipped ${skipped}`] : []),
    ...(unchanged > 0 ? [`${unchanged} were there already`] : []),
    ...(subscriptions > 0 ? [`${subscriptions} subscriptions`] : []),
  ];
  return parts.join(", ");
}
