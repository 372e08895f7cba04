import type { Command, Invocation } from "../command.ts";
import type { Connection } from "../connection.ts";
import { EventWriter } from "../event_writer.ts";
import { EXIT, usageError } from "../exit_codes.ts";
import { LastLines, LastMessages } from "../last_items.ts";
import { readLast } from "../last_page.ts";
import { readStream, type StreamEvent } from "../stream_reader.ts";

const MOST_ITEMS = 1_000_000;

export const tail: Command = {
  name: "tail",
  summary: "Print the end of a stream, and follow it",
  operands: ["path"],
  flags: [
    {
      name: "number",
      short: "n",
      value: "count",
      help: "How many of the last lines, or messages of a JSON stream, to print [10]",
    },
    { name: "follow", short: "f", help: "Go on with what is appended, until the stream is closed" },
    {
      name: "offset",
      value: "offset",
      help: "Begin there instead of at the last lines; now is the end",
    },
  ],
  details:
    "Following goes on through cut connections and restarted servers, and ends with exit code\n" +
    "0 when the stream is closed. Where the server has no ?tail=, the last lines are found by\n" +
    "reading the stream from its start.",
  examples: ["penstock tail chat/42 -n 3", "penstock tail chat/42 --offset now"],
  retryMs: Infinity,
  async run(invocation) {
    const { console, text, has } = invocation;
    const writer = new EventWriter(console, has("json"));
    const number = parseCount(text("number") ?? "10");
    const follow = has("follow");
    const given = text("offset") ?? (number === 0 ? "now" : undefined);
    if (given !== undefined) {
      await copy(invocation, writer, { offset: given, follow });
      return EXIT.ok;
    }
    const { nextOffset, closed } = await printLast(invocation, writer, number);
    if (follow && !closed) await copy(invocation, writer, { offset: nextOffset, follow });
    return EXIT.ok;
  },
};

async function copy(
  { connection, operands, streamUrl }: Invocation,
  writer: EventWriter,
  options: { offset: string; follow: boolean },
): Promise<void> {
  const url = streamUrl(operands[0]!);
  for await (const event of readStream({ connection, url, ...options })) await writer.write(event);
}

type PageEvent = StreamEvent & { kind: "page" };

/** Prints the last lines or messages, and where they end. */
async function printLast(
  { connection, operands, streamUrl }: Invocation,
  writer: EventWriter,
  number: number,
): Promise<PageEvent> {
  const url = streamUrl(operands[0]!);
  const last = await readLast(connection, url, number);
  if (last === null) return await printLastOfAll({ connection, url }, writer, number);
  for (const event of last.events) await writer.write(event);
  await writer.write(last.page);
  return last.page;
}

/** The same from a server without `?tail=`: reads all there is, and keeps no more than the last. */
async function printLastOfAll(
  { connection, url }: { readonly connection: Connection; readonly url: URL },
  writer: EventWriter,
  number: number,
): Promise<PageEvent> {
  const lines = new LastLines(number);
  const messages = new LastMessages(number);
  let text = false;
  let page: PageEvent | undefined;
  for await (const event of readStream({ connection, url, offset: "-1", follow: false })) {
    if (event.kind === "page") page = event;
    else if (event.kind === "message") messages.push(event.bytes);
    else {
      text = event.text;
      lines.push(event.bytes);
    }
  }
  for (const bytes of messages.messages()) await writer.write({ kind: "message", bytes });
  for (const bytes of lines.bytes()) await writer.write({ kind: "bytes", bytes, text });
  await writer.write(page!);
  return page!;
}

function parseCount(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : NaN;
  if (count <= MOST_ITEMS) return count;
  throw usageError(`-n is a whole number from 0 to ${MOST_ITEMS}, not "${text}"`);
}
