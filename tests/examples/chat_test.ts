/** examples/chat: two people, a restart of the server, and a name that would like to be HTML. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { append, createStream } from "../support/http.ts";
import { startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { freePort, freshStorage } from "../system/support.ts";
import { ExampleProcess, EXAMPLES } from "./example_process.ts";

const json = { contentType: "application/json" };
/** Of the README's picture: PENSTOCK_CHAT_PICTURE names the file to write it to. */
const CONVERSATION = [
  ["Ada", "The deploy is through. Does your page still follow?"],
  ["Grace", "It reconnected by itself, and nothing is missing."],
  ["Ada", "Then I restart the other node too"],
  ["Grace", "Go ahead, I am watching."],
] as const;
const PAGE = join(EXAMPLES, "chat");

Deno.test("the chat page has at most 40 lines", () => {
  const lines = readFileSync(join(PAGE, "index.html"), "utf8").trimEnd().split("\n");
  assert.ok(lines.length <= 40, `${lines.length}`);
});

testWith(["chromium", "python3"], "two people chat through a restart", async () => {
  const storage = await freshStorage("embedded");
  const args = ["--port", String(await freePort())];
  let server = await startServer({ database: storage.database, args });
  const port = String(await freePort());
  await using files = new ExampleProcess("python3", [
    ...["-u", "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", PAGE],
  ]);
  try {
    await files.printed(/Serving HTTP/);
    const stream = `${server.url}/v1/stream/chat/lobby`;
    await using chromium = await startChromium();
    const open = () =>
      chromium.openPage(`http://localhost:${port}/?stream=${encodeURIComponent(stream)}`);
    const [ada, grace] = [await open(), await open()];
    const say = async (page: typeof ada, from: string, text: string) => {
      await page.playwright.fill("[name=from]", from);
      await page.playwright.fill("[name=text]", text);
      await page.playwright.click("button");
      await page.waitFor(`document.querySelector("[name=text]").value === ""`);
    };
    await say(ada, "Ada", "Shall we ship it today?");
    await grace.waitForText("Ada Shall we ship it today?");
    await say(grace, "<img src=x onerror=alert(1)>", "No script in my name");
    await ada.waitForText("<img src=x onerror=alert(1)> No script in my name");
    assert.deepEqual([...ada.errors, ...grace.errors], []);

    await server.kill();
    server = await startServer({ database: storage.database, args });
    await say(ada, "Ada", "Still there?");
    await grace.waitForText("Ada Still there?");
    const said = (await grace.text("#messages")).split("\n");
    assert.equal(said.length, 3, said.join("\n"));
    const picture = process.env.PENSTOCK_CHAT_PICTURE;
    if (picture !== undefined) {
      const room = await createStream(server.url, "chat/picture", json);
      for (const [from, text] of CONVERSATION) {
        await append(room, JSON.stringify({ from, text }), json);
      }
      const page = await chromium.openPage();
      await page.playwright.setViewportSize({ width: 620, height: 330 });
      await page.goto(`http://localhost:${port}/?stream=${encodeURIComponent(room)}`);
      await page.waitForText(CONVERSATION.at(-1)![1]);
      await page.playwright.fill("[name=from]", "Ada");
      await page.screenshot(picture);
    }
  } finally {
    await server.kill();
    await storage.remove();
  }
});
