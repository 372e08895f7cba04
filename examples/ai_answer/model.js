/** A model that needs no key: it says its words one by one. Put your provider's in its place. */
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";

const text = Array.from({ length: 40 }, (_, n) => `word${n + 1}`).join(" ") + ".";
const none = undefined;
const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: none, cacheWrite: none },
  outputTokens: { total: 40, text: 40, reasoning: none },
};

export const model = new MockLanguageModelV3({
  doStream: () =>
    Promise.resolve({
      stream: simulateReadableStream({
        chunkDelayInMs: Number(process.env.WORD_MS ?? 60),
        chunks: [
          { type: "text-start", id: "1" },
          ...text.split(/(?<= )/).map((delta) => ({ type: "text-delta", id: "1", delta })),
          { type: "text-end", id: "1" },
          { type: "finish", finishReason: { unified: "stop", raw: none }, usage },
        ],
      }),
    }),
});
