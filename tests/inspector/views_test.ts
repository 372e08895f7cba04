/** The inspector in a real browser: every view, what it does, and what keeps nobody out. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { append, createStream, readAll } from "../support/http.ts";
import { type BrowserPage, startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { expectStatus, serverForThisFile } from "../system/support.ts";
import {
  assertClean,
  countOf,
  DESKTOP,
  fillServer,
  keepBusy,
  openInspector,
  PHONE,
  show,
} from "./support.ts";

const server = serverForThisFile("postgres");
/** `PENSTOCK_SCREENSHOTS=docs/images deno task test inspector/views` takes them anew. */
const SCREENSHOTS = process.env.PENSTOCK_SCREENSHOTS;

async function picture(page: BrowserPage, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  await page.playwright.screenshot({ path: join(SCREENSHOTS, `inspector-${name}.png`) });
}

const VIEWS: Readonly<Record<string, { readonly hash: string; readonly ready: string }>> = {
  streams: {
    hash: "#/streams",
    ready: SCREENSHOTS === undefined
      ? `document.querySelectorAll(".stream-row").length > 10`
      : `document.querySelectorAll(".rate:not(.none)").length > 2`,
  },
  stream: {
    hash: "#/stream/chat/support/1037",
    ready:
      `document.querySelectorAll(".row").length > 5 && document.querySelector(".tree .branch")`,
  },
  hex: {
    hash: "#/stream/files/upload-7f3a",
    ready: `document.querySelectorAll(".hex-row").length > 5`,
  },
  text: {
    hash: "#/stream/logs/api/2026-11-21",
    ready: `document.querySelectorAll(".row").length > 5`,
  },
  subscriptions: {
    hash: "#/subscriptions",
    ready: `document.querySelector(".table .stream-link")`,
  },
  subscription: { hash: "#/subscription/notify-mail", ready: `document.querySelector(".fact")` },
  node: { hash: "#/node", ready: `document.querySelectorAll(".plot canvas").length === 9` },
};

testWith(["chromium"], "every view, in light and dark and at a phone's width", async (t) => {
  await fillServer(server.url);
  using _ = SCREENSHOTS === undefined ? null : keepBusy(server.url);
  await using chromium = await startChromium();
  const page = await openInspector(chromium, server.url);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.playwright.emulateMedia({ colorScheme });
    for (const [name, { hash, ready }] of Object.entries(VIEWS)) {
      await t.step(`${name}, ${colorScheme}`, async () => {
        await page.playwright.setViewportSize(DESKTOP);
        await show(page, hash);
        await page.waitFor(ready);
        assert.deepEqual(await page.accessibilityViolations(), []);
        await picture(page, `${name}-${colorScheme}`);
        await page.playwright.setViewportSize(PHONE);
        assert.deepEqual(await page.accessibilityViolations(), []);
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), PHONE.width);
        await picture(page, `${name}-phone-${colorScheme}`);
        await page.playwright.setViewportSize(DESKTOP);
      });
    }
  }
  assertClean(page, server.url);
});

testWith(["chromium"], "a stream from its creation to its end, by clicks and keys", async () => {
  await using chromium = await startChromium();
  const page = await openInspector(chromium, server.url);
  const { playwright } = page;
  await playwright.click("text=New stream");
  await playwright.fill("dialog input.mono", "made/here");
  await playwright.click("dialog button.primary");
  await page.waitFor(`document.querySelector(".status.live")`);

  await playwright.keyboard.press("a");
  await playwright.fill(".composer textarea", '{"n": 1.0}');
  await playwright.keyboard.press("Control+Enter");
  await page.waitFor(`${countOf("messages")} === 1`);
  await playwright.click(".row");
  await page.waitForText('"n": 1.0', ".pane");
  await playwright.click(".pane button[aria-label='Close the message']");

  // What comes while the tail is paused is read when it goes on.
  await playwright.click(".pause");
  const url = `${server.url}/v1/stream/made/here`;
  for (let n = 2; n <= 5; n++) {
    await append(url, JSON.stringify({ n }), { contentType: "application/json" });
  }
  await page.waitFor(`document.querySelector(".status.paused").innerText.includes("behind")`);
  assert.equal(await page.evaluate(countOf("messages")), 1);
  await playwright.click(".pause");
  await page.waitFor(`${countOf("messages")} === 5`);

  await playwright.click(".actions >> text=Fork");
  await playwright.click("dialog button.primary");
  await page.waitForText("here-fork", "h1");
  await page.waitFor(`${countOf("messages")} === 5`);
  await page.waitFor(
    `[...document.querySelectorAll(".tree a")].some((a) => a.innerText === "made/here")`,
  );

  const branches = `[...document.querySelectorAll(".tree a")].map((a) => a.innerText)`;
  await show(page, "#/stream/made/here");
  await page.waitFor(`${branches}.includes("made/here-fork")`);
  await page.waitForText("Followers\n1", ".details");

  // The first three of five messages go; the end is what the dialog proposes.
  const { nextOffset } = await readAll(url);
  await playwright.click(".actions >> text=Trim");
  assert.equal(
    await page.evaluate(`document.querySelector("dialog input").value`),
    nextOffset,
  );
  await playwright.fill("dialog input", "not an offset");
  await playwright.click("dialog button.solid");
  await page.waitFor(`document.querySelector("dialog .form-error")`);
  const third = await fetch(`${url}?tail=2`);
  await third.body?.cancel();
  const before = third.headers.get("stream-previous-offset")!;
  await playwright.fill("dialog input", before);
  await playwright.click("dialog button.solid");
  await page.waitForText("Trimmed", ".toasts");
  assert.deepEqual(JSON.parse((await readAll(url)).text), [{ n: 4 }, { n: 5 }]);
  await page.waitFor(`!document.querySelector("dialog")`);
  assert.equal((await fetch(`${url}?offset=0000000000000000_0000000000000000`)).status, 410);
  await page.waitForText(`Begins\n${Number(before.slice(0, 16))}`, ".details");
  await show(page, "#/stream/made/here-fork");
  await page.waitForText("here-fork", "h1");
  await page.waitFor(`document.querySelector(".status.live")`);

  await playwright.click(".actions >> text=Close");
  await playwright.click("dialog button.solid");
  await page.waitFor(`document.querySelector(".status.closed")`);
  assert.equal((await readAll(`${url}-fork`)).closed, true);

  await playwright.click(".actions >> text=Delete");
  await playwright.keyboard.press("Escape");
  assert.equal((await fetch(`${url}-fork`, { method: "HEAD" })).status, 200);
  await playwright.click(".actions >> text=Delete");
  await playwright.click("dialog button.solid");
  await page.waitForText("Streams", "h1");
  assert.equal((await fetch(`${url}-fork`, { method: "HEAD" })).status, 404);

  await playwright.keyboard.press("/");
  await playwright.fill(".search input", "made/");
  await page.waitFor(`document.querySelectorAll(".stream-row").length === 1`);
  await playwright.keyboard.press("Escape");
  await playwright.keyboard.press("j");
  await playwright.keyboard.press("Enter");
  await page.waitForText("here", "h1");
  await playwright.keyboard.press("g");
  await playwright.keyboard.press("n");
  await page.waitForText("Node", "h1");
  await playwright.keyboard.press("?");
  await page.waitForText("Pause or resume", "dialog");
  // Of the wrong offset, and of a tail whose stream was deleted before the page left it.
  assertClean(page, server.url, [400, 404]);
});

testWith(["chromium"], "more subscriptions than a page of the listing are shown", async () => {
  const json = { contentType: "application/json" };
  await createStream(server.url, "wakes/many", json);
  for (let n = 0; n < 101; n++) {
    const response = await fetch(`${server.url}/v1/stream/__ds/subscriptions/many-${n}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        type: "pull-wake",
        pattern: `many/${n}/*`,
        wake_stream: "wakes/many",
      }),
    });
    await expectStatus(response, 201);
  }
  await using chromium = await startChromium();
  const page = await openInspector(chromium, server.url, "#/subscriptions");
  await page.waitFor(`document.querySelectorAll(".table tbody tr").length >= 101`);
  assertClean(page, server.url);
});
