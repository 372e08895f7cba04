/** `penstock dump`: a database, or a server's by its URL, to standard output. */
import type { Command, Invocation } from "../../client/command.ts";
import { EXIT, usageError } from "../../client/exit_codes.ts";
import { Progress } from "../../client/progress.ts";
import type { Database } from "../../storage/database.ts";
import { compress, decompress } from "../../transfer/compression.ts";
import { dumpDatabase, type DumpReport } from "../../transfer/dump.ts";
import { DumpRefused } from "../../transfer/dump_format.ts";
import { readDump } from "../../transfer/dump_reader.ts";
import { dumpPieces } from "../../transfer/dump_pieces.ts";
import { DATABASE_FLAGS, withDatabase } from "./databases.ts";

const PREFIX = { name: "prefix", value: "path", help: "Only streams whose paths begin so" };
const SECRETS = {
  name: "secrets",
  help: "Also the signing keys and the hashes of access tokens: keep such a file as a secret",
};

export const dump: Command = {
  name: "dump",
  summary: "Write streams to standard output, as one consistent snapshot",
  operands: [],
  flags: [PREFIX, SECRETS, { name: "plain", help: "Do not compress" }, ...DATABASE_FLAGS],
  details:
    "Dumps the database that --database-url or --data-dir names, or with --url what a server\n" +
    "has; that needs a token with admin. A data folder must not be in use. Offsets, producers,\n" +
    "closure, TTL, forks and subscriptions are kept.",
  examples: [
    "penstock dump --data-dir ./data > streams.dump",
    "penstock dump --url https://example.com/v1/stream --prefix chat/ > chat.dump",
  ],
  retryMs: 0,
  async run(invocation) {
    const { console, has, text } = invocation;
    if (console.outputIsTerminal) throw usageError("a dump is no text: redirect it to a file");
    const namesDatabase = text("database-url") !== undefined || text("data-dir") !== undefined;
    if (has("url") && namesDatabase) throw usageError("give --url or a database, not both");
    const report = has("url")
      ? await fromServer(invocation)
      : await withDatabase(invocation, { mayCreate: false }, (database) =>
        fromDatabase(invocation, database));
    await console.flush();
    const { streams, bytes, subscriptions } = report;
    console.tell(
      `dumped ${streams} streams, ${bytes} bytes, ${subscriptions} subscriptions`,
      "green",
    );
    return EXIT.ok;
  },
};

async function fromDatabase(
  { console, text, has }: Invocation,
  database: Database,
): Promise<DumpReport> {
  const progress = new Progress(console, true);
  const prefix = text("prefix") ?? "";
  const total = console.errorIsTerminal ? await totalBytes(database, prefix) : 0;
  let report: DumpReport | undefined;
  const pieces = dumpPieces((write) =>
    dumpDatabase(database, {
      prefix,
      secrets: has("secrets"),
      write,
      onStream(bytes) {
        progress.add(bytes, 0);
        progress.reach(total > 0 ? Math.min(1, progress.bytes / total) : null);
      },
    }).then((done) => void (report = done))
  );
  try {
    for await (const piece of has("plain") ? pieces : compress(pieces)) await console.write(piece);
  } finally {
    progress.end();
  }
  return report!;
}

/** What the progress line compares with. */
async function totalBytes(database: Database, prefix: string): Promise<number> {
  const [row] = await database.query<{ bytes: number }>(
    `select coalesce(sum(v.tail - coalesce(v.fork_position, 0)), 0)::bigint as bytes
    from penstock.stream_states v where v.state <> 'deleted' and starts_with(v.path, $1)`,
    [prefix],
  );
  return row!.bytes;
}

/** What the server sends is read as a load would, so that a dump that was cut off is not kept as whole. */
async function fromServer(invocation: Invocation): Promise<DumpReport> {
  const { console, connection, text, has } = invocation;
  const url = invocation.streamUrl("__ds/dump");
  if (text("prefix") !== undefined) url.searchParams.set("prefix", text("prefix")!);
  if (has("secrets")) url.searchParams.set("secrets", "true");
  const answer = await connection.send({ method: "GET", url });
  const progress = new Progress(console, true);
  let report: DumpReport | undefined;
  const written = async function* () {
    for await (const piece of answer.body()) {
      progress.add(piece.length, 0);
      if (!has("plain")) await console.write(piece);
      yield piece;
    }
  };
  const plain = async function* () {
    for await (const piece of decompress(written())) {
      if (has("plain")) await console.write(piece);
      yield piece;
    }
  };
  try {
    for await (const record of readDump(plain())) {
      if (record.kind === "end") report = record.end;
    }
  } finally {
    progress.end();
  }
  if (report === undefined) throw new DumpRefused("the server sent no dump");
  return report;
}
