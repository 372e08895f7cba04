/** Probe of `@durable-streams/aisdk-transport`: an answer that outlives the server it is read from. */
import assert from "node:assert/strict";
import process from "node:process";
import {
  createDurableChatTransport,
  toDurableStreamResponse,
} from "@durable-streams/aisdk-transport";
import type { UIMessageChunk } from "ai";
import { Arrivals, base, killServer, report } from "./steps.mts";

const writeUrl = `${base}/chat-probe`;
const half = (from: number): UIMessageChunk[] =>
  [0, 1, 2].map((n) => ({ type: "text-delta", id: "answer", delta: `word ${from + n} ` }));
const restarted = Promise.withResolvers<void>();
const written: Promise<unknown>[] = [];

/** What a model would say: half of it before the kill, half after the restart. */
async function* answer(): AsyncGenerator<UIMessageChunk> {
  yield* half(0);
  await restarted.promise;
  yield* half(3);
}

/** The application's own two routes: begin an answer, and where the one under way is. */
async function application(_url: unknown, request?: RequestInit): Promise<Response> {
  if (request?.method !== "POST") return Response.json({ streamUrl: writeUrl });
  const waitUntil = (work: Promise<unknown>) => void written.push(work);
  return await toDurableStreamResponse({ source: answer(), stream: { writeUrl }, waitUntil });
}

async function collect(stream: ReadableStream<UIMessageChunk>, into: Arrivals<UIMessageChunk>) {
  for await (const chunk of stream) into.add([chunk]);
}

// Version 0.0.7 leaves the rejection of a cut connection to nobody; that it does is seen below.
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => void unhandled.push(reason));

const transport = createDurableChatTransport({
  api: "http://application.invalid/chat",
  fetchClient: application as typeof fetch,
});
const first = await transport.sendMessages({
  trigger: "submit-message",
  chatId: "chat",
  messageId: undefined,
  messages: [],
  abortSignal: undefined,
});
report("create");
const beforeKill = new Arrivals<UIMessageChunk>();
const cut = collect(first, beforeKill).catch(() => {});
await beforeKill.become(half(0));
report("append");
report("sse");

await killServer();
await cut;
const again = await transport.reconnectToStream({ chatId: "chat" });
assert(again !== null);
const afterRestart = new Arrivals<UIMessageChunk>();
const whole = collect(again, afterRestart);
restarted.resolve();
await Promise.all(written);
report("append-after-restart");
await whole; // ends, because the answer's stream is closed
await afterRestart.become([...half(0), ...half(3)]);
report("sse-resumed");
const later = new Arrivals<UIMessageChunk>();
await collect((await transport.reconnectToStream({ chatId: "chat" }))!, later);
assert.deepEqual(later.items, afterRestart.items);
report("read");
assert(unhandled.length <= 1, String(unhandled));
process.exit(0);
