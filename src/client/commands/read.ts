import type { Command } from "../command.ts";
import { EventWriter } from "../event_writer.ts";
import { EXIT } from "../exit_codes.ts";
import { fractionOf, Progress } from "../progress.ts";
import { inspect } from "../stream_metadata.ts";
import { readStream } from "../stream_reader.ts";

export const read: Command = {
  name: "read",
  summary: "Print a stream, and end",
  operands: ["path"],
  flags: [
    { name: "offset", value: "offset", help: "Where to begin [the start of the stream]" },
  ],
  details:
    "Prints the bytes that were appended, and nothing else. Messages of a JSON stream are\n" +
    "printed one a line, as they were written. With --json, every piece is a line of JSON, and\n" +
    "each page ends with the offset to go on from.",
  examples: ["penstock read chat/42 > copy.txt", "penstock read events --json"],
  retryMs: 300_000,
  async run({ console, connection, operands, streamUrl, text, has }) {
    const url = streamUrl(operands[0]!);
    const writer = new EventWriter(console, has("json"));
    // The line would come between the stream's own.
    const shown = !console.outputIsTerminal && console.errorIsTerminal;
    const progress = new Progress(console, shown);
    const { nextOffset: tail } = shown ? await inspect(connection, url) : { nextOffset: null };
    try {
      const offset = text("offset") ?? "-1";
      for await (const event of readStream({ connection, url, offset, follow: false })) {
        if (event.kind === "page") progress.reach(fractionOf(event.nextOffset, tail));
        else progress.add(event.bytes.length, event.kind === "message" ? 1 : 0);
        await writer.write(event);
      }
    } finally {
      progress.end();
    }
    return EXIT.ok;
  },
};
