/** Asks a model, and has its answer written to a stream: who reads it may come and go. */
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { toDurableStreamResponse } from "@durable-streams/aisdk-transport";
import { convertToModelMessages, streamText } from "ai";
import { build } from "esbuild";
import { model } from "./model.js";

const streams = process.env.PENSTOCK_URL ?? "http://127.0.0.1:4437/v1/stream";
const port = Number(process.env.PORT ?? 8001);
/** The stream of each chat's newest answer. Yours are in your database. */
const answers = new Map();

/** Begins an answer; goes on to its end whether or not anybody reads it. */
async function ask({ id, messages }) {
  const writeUrl = `${streams}/answers/${encodeURIComponent(id)}/${crypto.randomUUID()}`;
  const result = streamText({ model, messages: await convertToModelMessages(messages) });
  answers.set(id, writeUrl);
  return await toDurableStreamResponse({
    source: result.toUIMessageStream(),
    stream: { writeUrl },
  });
}

/** Where the answer is that a page comes back to; it may be whole by now. */
function resume(id) {
  const streamUrl = answers.get(id);
  return streamUrl === undefined
    ? new Response(null, { status: 204 })
    : Response.json({ streamUrl });
}

const bundled = await build({
  entryPoints: ["page.js"],
  bundle: true,
  format: "esm",
  write: false,
});

async function respond(method, path, body) {
  const [, chat] = /^\/chat\/([^/]+)\/stream$/.exec(path) ?? [];
  if (chat !== undefined) return resume(decodeURIComponent(chat));
  if (method === "POST" && path === "/chat") return await ask(JSON.parse(body));
  if (path === "/page.js") {
    return new Response(bundled.outputFiles[0].text, {
      headers: { "content-type": "text/javascript" },
    });
  }
  if (path !== "/") return new Response("no such page", { status: 404 });
  return new Response(readFileSync("index.html"), {
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const { pathname } = new URL(request.url, "http://localhost");
  const answer = await respond(request.method, pathname, body)
    .catch((error) => new Response(String(error), { status: 500 }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(await answer.text());
}).listen(port, "127.0.0.1", () => console.log(`open http://localhost:${port}`));
