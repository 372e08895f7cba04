import { Appender } from "../appender.ts";
import { type Command, CONTENT_TYPE_FLAG, type Invocation } from "../command.ts";
import { EXIT, type ExitCode, usageError } from "../exit_codes.ts";
import { byteChunks, type InputPiece, jsonLines, lines, wholeInput } from "../input_messages.ts";
import { identify, Producer } from "../producer.ts";
import { formatBytes, Progress } from "../progress.ts";
import { appendableType, isJson } from "../stream_metadata.ts";

export const append: Command = {
  name: "append",
  summary: "Append a message, or what standard input holds",
  operands: ["path"],
  flags: [
    { name: "data", value: "text", help: "What to append, instead of standard input" },
    {
      name: "lines",
      help: "Each line of standard input is a message: its line feed is kept, and in a JSON " +
        "stream each line is a JSON value",
    },
    {
      name: "producer",
      value: "auto|name",
      help: "Append exactly once, however often the connection or the server breaks: auto for " +
        "this run alone, a name to shut out the run before that has the same name",
      suggestions: ["auto"],
    },
    {
      name: "epoch",
      value: "number",
      help: "Epoch of a named producer [later than all before, by the clock]",
    },
    { ...CONTENT_TYPE_FLAG, help: "Media type [the stream's own, which is asked for]" },
    {
      name: "seq",
      value: "text",
      help: "Stream-Seq: refused unless greater than that of the last append; for one append only",
    },
    { name: "close", help: "Close the stream behind the last message" },
  ],
  details:
    "Input is sent as it comes, in batches while the server is busy. Without --producer, an\n" +
    "append that may have reached the server is not repeated, and the command fails.",
  examples: [
    "penstock append chat/42 --data 'hello, world'",
    "seq 1 1000 | penstock append chat/42 --producer auto --lines",
    `printf '{"n":1}\\n{"n":2}\\n' | penstock append events --producer auto --lines`,
  ],
  retryMs: 300_000,
  run,
};

async function run(invocation: Invocation): Promise<ExitCode> {
  const { connection, console } = invocation;
  const seq = invocation.text("seq");
  const data = invocation.text("data");
  if (data !== undefined && invocation.has("lines")) {
    throw usageError("--lines is for standard input, and --data is given");
  }
  if (seq !== undefined && invocation.has("lines")) {
    throw usageError("--seq is for a single append, and --lines makes several");
  }
  const producer = producerOf(invocation);
  const url = invocation.streamUrl(invocation.operands[0]!);
  const contentType = invocation.text("content-type") ?? await appendableType(connection, url);
  connection.progressed();
  const json = isJson(contentType);
  const progress = new Progress(console, !console.inputIsTerminal);
  const whole = data === undefined ? console.inputBytes() : null;
  const appender = new Appender({
    connection,
    url,
    contentType,
    producer,
    json: json && invocation.has("lines"),
    headers: seq === undefined ? {} : { "stream-seq": seq },
    onAppended(messages, bytes) {
      progress.add(bytes, messages);
      if (whole !== null && whole > 0) progress.reach(Math.min(1, progress.bytes / whole));
    },
  });
  const started = performance.now();
  try {
    // A failure ends the command though its input be quiet.
    await Promise.race([appendAll(invocation, appender, json), appender.failed]);
  } finally {
    progress.end();
  }
  await printAppended(invocation, { appender, progress, started });
  return EXIT.ok;
}

function producerOf(invocation: Invocation): Producer | null {
  const name = invocation.text("producer");
  const epoch = invocation.text("epoch");
  if (name === undefined) {
    if (epoch !== undefined) throw usageError("--epoch needs a --producer");
    return null;
  }
  if (name === "") throw usageError("--producer is auto or a name");
  return new Producer({
    connection: invocation.connection,
    ...identify(name, epoch),
    warn: (message) => invocation.console.tell(message),
  });
}

async function appendAll(invocation: Invocation, appender: Appender, json: boolean): Promise<void> {
  try {
    for await (const piece of piecesOf(invocation, json)) await appender.add(piece);
  } finally {
    await appender.flush(); // what came before a line that is refused is appended
  }
  if (invocation.has("close")) await appender.close();
}

async function* piecesOf(invocation: Invocation, json: boolean): AsyncGenerator<InputPiece> {
  const data = invocation.text("data");
  const { input } = invocation.console;
  if (data !== undefined) {
    if (data !== "") yield { bytes: new TextEncoder().encode(data), messages: 1 };
  } else if (invocation.has("lines")) {
    yield* json ? jsonLines(input) : lines(input);
  } else if (json || invocation.has("seq")) {
    const bytes = await wholeInput(input);
    if (bytes.length > 0) yield { bytes, messages: 1 };
  } else {
    yield* byteChunks(input);
  }
}

interface Result {
  readonly appender: Appender;
  readonly progress: Progress;
  readonly started: number;
}

async function printAppended(
  { console, has }: Invocation,
  { appender, progress, started }: Result,
): Promise<void> {
  const { bytes, messages } = progress;
  if (has("json")) {
    const { nextOffset } = appender;
    await console.write(`${JSON.stringify({ bytes, messages, nextOffset })}\n`);
  } else if (console.errorIsTerminal) {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.tell(`appended ${formatBytes(bytes)} in ${seconds} s`, "green");
  }
}
