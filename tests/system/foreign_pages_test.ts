/** What a web page may do to a Penstock on the same machine, in a real browser. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { createStream, readAll } from "../support/http.ts";
import { type BrowserPage, startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { withStorage } from "./support.ts";

/** The port of a web server whose every page is empty. */
async function servePages(): Promise<{ port: number; close(): void }> {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>a page</title>");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return { port, close: () => void server.close() };
}

/** `status text` of a request that the page makes, or `refused` where the browser keeps it. */
function requestFrom(page: BrowserPage, method: string, url: string): Promise<string> {
  const body = method === "POST" ? `, headers: { "content-type": "text/plain" }, body: "x"` : "";
  return page.evaluate<string>(`
    fetch(${JSON.stringify(url)}, { method: ${JSON.stringify(method)}${body} })
      .then(async (answer) => answer.status + " " + await answer.text(), () => "refused")`);
}

testWith(
  ["chromium"],
  "a page of another site can neither read nor write; one it names can",
  async () => {
    const pages = await servePages();
    const chromium = await startChromium({
      args: ["--host-resolver-rules=MAP evil.example 127.0.0.1,MAP app.example 127.0.0.1"],
    });
    try {
      await withStorage("postgres", async (database) => {
        const allowed = `http://app.example:${pages.port}`;
        const server = await startServer({ database, args: ["--cors-origins", allowed] });
        try {
          const stream = await createStream(server.url, "s", { body: "text" });
          const port = new URL(server.url).port;

          const evil = await chromium.openPage(`http://evil.example:${pages.port}/`);
          for (const method of ["GET", "POST", "DELETE", "PUT"]) {
            assert.equal(await requestFrom(evil, method, stream), "refused", method);
          }
          // A name that is made to point here: the page's origin is then the server's own.
          const rebound = await chromium.openPage(`http://evil.example:${port}/health`);
          const answer = await requestFrom(rebound, "GET", "/v1/stream/s");
          assert.match(answer, /^421 .*MISDIRECTED_REQUEST/);

          const app = await chromium.openPage(`${allowed}/`);
          assert.equal(await requestFrom(app, "GET", stream), "200 text");
          assert.equal(await requestFrom(app, "POST", stream), "204 ");
          const local = await chromium.openPage(`http://localhost:${pages.port}/`);
          assert.equal(await requestFrom(local, "GET", stream), "200 textx");

          assert.equal((await readAll(stream)).text, "textx");
        } finally {
          await server.stop();
        }
      });
    } finally {
      await chromium.close();
      pages.close();
    }
  },
);
