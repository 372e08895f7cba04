/** Bundles the page and serves it. The page itself speaks to Penstock. */
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const penstock = process.env.PENSTOCK_URL ?? "http://127.0.0.1:4437/v1/stream";
const port = Number(process.env.PORT ?? 8003);
const bundled = await build({
  entryPoints: ["page.js"],
  bundle: true,
  format: "esm",
  write: false,
  define: { STREAM_URL: JSON.stringify(`${penstock}/lists/groceries`) },
});
const FILES = {
  "/": ["text/html; charset=utf-8", readFileSync("index.html")],
  "/page.js": ["text/javascript", bundled.outputFiles[0].text],
};

createServer((request, response) => {
  const [type, text] = FILES[request.url] ?? ["text/plain", "no such page"];
  response.writeHead(type === "text/plain" ? 404 : 200, { "content-type": type }).end(text);
}).listen(port, "127.0.0.1", () => console.log(`open http://localhost:${port}`));
