/** The page: sends a question by the transport, and shows the answer while it grows. */
import { createDurableChatTransport } from "@durable-streams/aisdk-transport";
import { readUIMessageStream } from "ai";

const transport = createDurableChatTransport({ api: "/chat" });
const show = (id, text) => document.getElementById(id).textContent = text;
const chatId = sessionStorage.chat ??= crypto.randomUUID();

async function showAnswer(stream) {
  show("state", "answering");
  for await (const { parts } of readUIMessageStream({ stream })) {
    show("answer", parts.map((part) => part.type === "text" ? part.text : "").join(""));
  }
  show("state", "done");
}

// After a refresh: the whole answer from its start, and what is still to come.
const underWay = await transport.reconnectToStream({ chatId });
if (underWay !== null) void showAnswer(underWay);

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = new FormData(event.target).get("text");
  const messages = [{ id: crypto.randomUUID(), role: "user", parts: [{ type: "text", text }] }];
  showAnswer(await transport.sendMessages({ trigger: "submit-message", chatId, messages }));
});
