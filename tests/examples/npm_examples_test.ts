/** The examples of the packages of npm, each in Chromium: pages that follow, and a refresh. */
import assert from "node:assert/strict";
import { NPM } from "../clients/packages.ts";
import { type BrowserPage, type Chromium, startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { serverForThisFile } from "../system/support.ts";
import {
  dependenciesOf,
  installExamples,
  NPM_EXAMPLES,
  type NpmExample,
  startExample,
} from "./npm_example.ts";

const server = serverForThisFile("embedded");
const packages = await installExamples();
let browser: Promise<Chromium> | undefined;
Deno.test.afterAll(async () => await (await browser)?.close());

function testExample(
  example: NpmExample,
  name: string,
  check: (url: string, chromium: Chromium) => Promise<void>,
): void {
  if ("missing" in packages) {
    console.log(`skipped: examples/${example}: ${packages.missing}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  testWith(["chromium"], name, async () => {
    await using running = await startExample(example, { packages, server: server.url });
    await check(running.url, await (browser ??= startChromium()));
  });
}

const valueOf = (selector: string) => `document.querySelector("${selector}").value`;
const WORDS = Array.from({ length: 40 }, (_, n) => `word${n + 1}`).join(" ") + ".";

testExample(
  "ai_answer",
  "an answer goes on through a refresh in its middle",
  async (url, chromium) => {
    const page = await chromium.openPage(url);
    await page.playwright.fill("[name=text]", "What is a penstock?");
    await page.playwright.click("button");
    await page.waitForText("word5 ", "#answer");
    await page.goto(url);
    await page.waitForText("word7", "#answer");
    assert.equal(await page.text("#state"), "answering", "refreshed before its end");
    await page.waitForText("done", "#state");
    assert.equal(await page.text("#answer"), WORDS);
    await page.goto(url);
    await page.waitForText("done", "#state");
    assert.equal(await page.text("#answer"), WORDS, "also when it is whole");
    assert.deepEqual(page.errors, []);
  },
);

testExample("yjs_document", "two pages write one document at once", async (url, chromium) => {
  const pages = [await chromium.openPage(url), await chromium.openPage(url)] as const;
  const [ada, grace] = pages;
  for (const page of pages) await page.waitFor(`!document.querySelector("textarea").disabled`);
  const type = (page: BrowserPage, at: "start" | "end", text: string) =>
    page.evaluate(`{
      const field = document.querySelector("textarea");
      const at = ${at === "start" ? "0" : "field.value.length"};
      field.setRangeText(${JSON.stringify(text)}, at, at, "end");
      field.dispatchEvent(new Event("input"));
    }`);
  await type(ada, "end", "middle");
  await grace.waitFor(`${valueOf("textarea")} === "middle"`);
  await Promise.all([type(ada, "start", "héllo 😀 "), type(grace, "end", " end")]);
  const whole = "héllo 😀 middle end";
  for (const page of pages) await page.waitFor(`${valueOf("textarea")} === "${whole}"`);
  const late = await chromium.openPage(url);
  await late.waitFor(`${valueOf("textarea")} === "${whole}"`);
  assert.deepEqual(pages.flatMap(({ errors }) => errors), []);
});

testExample("shared_list", "a list is the same in every page", async (url, chromium) => {
  const [ada, grace] = [await chromium.openPage(url), await chromium.openPage(url)];
  for (const title of ["tea", "milk"]) {
    await ada.playwright.fill("[name=title]", title);
    await ada.playwright.click("button");
    await ada.waitFor(`${valueOf("[name=title]")} === ""`);
  }
  await grace.waitForText("2 of 2 left", "#left");
  assert.equal(await grace.text("ul"), " milk\n tea");
  await grace.playwright.click("li:first-child input");
  await ada.waitForText("1 of 2 left", "#left");
  assert.equal(await ada.evaluate(`document.querySelector("li input").checked`), true);
  const late = await chromium.openPage(url);
  await late.waitForText("1 of 2 left", "#left");
  assert.deepEqual([ada, grace, late].flatMap(({ errors }) => errors), []);
});

Deno.test("the examples have the versions that docs/clients.md speaks of", () => {
  const known: Readonly<Record<string, string>> = NPM;
  for (const example of NPM_EXAMPLES) {
    for (const [name, version] of Object.entries(dependenciesOf(example))) {
      assert.equal(known[name] ?? version, version, `${example}: ${name}`);
    }
  }
});
