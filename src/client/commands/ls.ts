import type { Command } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { wordsOf } from "../arguments.ts";
import { listed } from "../listing.ts";

/** The members of the listing that are printed here. */
interface Entry {
  readonly path: string;
  readonly content_type: string;
  readonly bytes: number;
  readonly closed: boolean;
  readonly last_append_at: string | null;
}

export const ls: Command = {
  name: "ls",
  summary: "List streams",
  operands: ["prefix?"],
  flags: [
    {
      name: "long",
      short: "l",
      help: "Print bytes, time of the last append and type before each path",
    },
    {
      name: "label",
      value: "labels",
      help: "Only streams with these labels, such as team:web, with spaces between",
    },
  ],
  details: "The paths come in the order of their bytes. Only Penstock has a listing.",
  examples: ["penstock ls", "penstock ls chat/ -l", "penstock ls --label team:web --json"],
  retryMs: 30_000,
  async run({ console, connection, operands, streamUrl, text, has }) {
    const url = streamUrl("__ds/streams");
    const [prefix] = operands;
    if (prefix !== undefined) url.searchParams.set("prefix", prefix.replace(/^\//, ""));
    for (const label of wordsOf(text("label") ?? "")) {
      url.searchParams.append("label", label);
    }
    for await (const entry of listed<Entry>(connection, url, "streams")) {
      if (has("json")) await console.write(`${JSON.stringify(entry)}\n`);
      else await console.write(`${has("long") ? longLine(entry) : entry.path}\n`);
    }
    return EXIT.ok;
  },
};

function longLine(
  { path, content_type: type, bytes, closed, last_append_at: last }: Entry,
): string {
  const time = (last ?? "-").padEnd(24);
  return `${String(bytes).padStart(12)}  ${time}  ${
    closed ? "closed" : "open  "
  }  ${type}  ${path}`;
}
