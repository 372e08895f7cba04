import type { Command } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { jsonOf } from "../json_answer.ts";

const PAGE = "1000";

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
    url.searchParams.set("limit", PAGE);
    const [prefix] = operands;
    if (prefix !== undefined) url.searchParams.set("prefix", prefix.replace(/^\//, ""));
    for (const label of (text("label") ?? "").split(/\s+/).filter((label) => label !== "")) {
      url.searchParams.append("label", label);
    }
    for (let after: string | null = ""; after !== null;) {
      url.searchParams.set("after", after);
      const page: { streams: Entry[]; next_after: string | null } = await jsonOf(
        await connection.send({ method: "GET", url }),
      );
      for (const entry of page.streams) {
        if (has("json")) await console.write(`${JSON.stringify(entry)}\n`);
        else await console.write(`${has("long") ? longLine(entry) : entry.path}\n`);
      }
      after = page.next_after;
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
