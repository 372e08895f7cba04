/** Serves the page, and the Yjs layer that keeps documents in Penstock and compacts them. */
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { YjsServer } from "@durable-streams/y-durable-streams/server";
import { build } from "esbuild";

const penstock = process.env.PENSTOCK_URL ?? "http://127.0.0.1:4437/v1/stream";
const port = Number(process.env.PORT ?? 8002);
const yjs = new YjsServer({ dsServerUrl: new URL(penstock).origin, port: 0 });
await yjs.start();

const bundled = await build({
  entryPoints: ["page.js"],
  bundle: true,
  format: "esm",
  write: false,
  define: { YJS_URL: JSON.stringify(`${yjs.url}/v1/yjs/examples`) },
});
const FILES = {
  "/": ["text/html; charset=utf-8", readFileSync("index.html")],
  "/page.js": ["text/javascript", bundled.outputFiles[0].text],
};

createServer((request, response) => {
  const [type, text] = FILES[request.url] ?? ["text/plain", "no such page"];
  response.writeHead(type === "text/plain" ? 404 : 200, { "content-type": type }).end(text);
}).listen(port, "127.0.0.1", () => console.log(`open http://localhost:${port}`));
