/** Probe of `@durable-streams/tanstack-ai-transport`: a chat session that is followed by SSE. */
import assert from "node:assert/strict";
import process from "node:process";
import {
  durableStreamConnection,
  ensureDurableChatSessionStream,
  materializeSnapshotFromDurableStream,
  toDurableChatSessionResponse,
} from "@durable-streams/tanstack-ai-transport";
import { Arrivals, base, killServer, report } from "./steps.mts";

interface Message {
  readonly id: string;
  readonly parts: readonly { readonly content: string }[];
}

const readUrl = `${base}/session-probe`;
await ensureDurableChatSessionStream({ writeUrl: readUrl });
report("create");

/** A question, and an answer in two pieces. */
async function ask(turn: number): Promise<void> {
  const messageId = `answer-${turn}`;
  async function* answer() {
    yield { type: "TEXT_MESSAGE_START", messageId, role: "assistant" };
    for (const delta of ["it ", "is"]) yield { type: "TEXT_MESSAGE_CONTENT", messageId, delta };
    yield { type: "TEXT_MESSAGE_END", messageId };
  }
  const parts = [{ type: "text", content: `question ${turn}` }];
  const newMessages = [{ id: `question-${turn}`, role: "user", parts }];
  await toDurableChatSessionResponse({
    stream: { writeUrl: readUrl },
    newMessages,
    responseStream: answer(),
    mode: "await",
  });
}

const transcript = (messages: readonly Message[]) =>
  messages.map(({ id, parts }) => `${id}: ${parts.map((part) => part.content).join("")}`);
const read = async () =>
  transcript((await materializeSnapshotFromDurableStream({ readUrl })).messages);
const turn = (n: number) => [`question-${n}: question ${n}`, `answer-${n}: it is`];
const ended = (n: number) => [`question-${n}`, `answer-${n}`];

await ask(1);
report("append");
assert.deepEqual(await read(), turn(1));
report("read");

const connection = durableStreamConnection({ sendUrl: "http://application.invalid/", readUrl });
const snapshots = new Arrivals<string>();
const endings = new Arrivals<string>();
/** The connection keeps its offset: subscribing again goes on where it was. */
async function follow(): Promise<void> {
  for (;;) {
    try {
      for await (const chunk of connection.subscribe()) {
        if (chunk.type === "MESSAGES_SNAPSHOT") snapshots.add(transcript(chunk.messages));
        if (chunk.type === "TEXT_MESSAGE_END") endings.add([chunk.messageId]);
      }
    } catch {
      // The server was killed.
    }
  }
}
void follow();
await snapshots.become(turn(1));
await ask(2);
await endings.become(ended(2));
report("sse");

await killServer();
await ask(3);
report("append-after-restart");
await endings.become([...ended(2), ...ended(3)]);
report("sse-resumed");
assert.deepEqual(await read(), [...turn(1), ...turn(2), ...turn(3)]);
report("read-after-restart");
process.exit(0);
