/** The tail under load and under attack, and a listing of 100,000 streams. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream } from "../support/http.ts";
import { startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { elapse, serverForThisFile } from "../system/support.ts";
import { assertClean, countOf, openInspector, show } from "./support.ts";

const server = serverForThisFile("postgres");
const JSON_TYPE = { contentType: "application/json" };

const BATCH = 30;
const BATCHES = 250;
const EVERY_MS = 24;

/** Scrolls from the end to the beginning, and answers each message that was in a row. */
const COLLECT = `new Promise((resolve) => {
  const list = document.querySelector(".content");
  const seen = {};
  const step = () => {
    for (const row of list.querySelectorAll(".row-text")) seen[row.innerText] = true;
    if (list.scrollTop === 0) return resolve(Object.keys(seen));
    list.scrollTop -= list.clientHeight;
    requestAnimationFrame(() => requestAnimationFrame(step));
  };
  step();
})`;

testWith(["chromium"], "a tail follows 1,000 messages a second, and shows each once", async () => {
  await using chromium = await startChromium();
  const url = await createStream(server.url, "busy", JSON_TYPE);
  const page = await openInspector(chromium, server.url, "#/stream/busy");
  await page.waitFor(`document.querySelector(".status.live")`);
  const total = BATCH * BATCHES;
  const began = performance.now();
  const sent: Promise<unknown>[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const due = began + batch * EVERY_MS - performance.now();
    if (due > 0) await elapse(due, "batches come at their times");
    const messages = Array.from({ length: BATCH }, (_, n) => ({ n: batch * BATCH + n }));
    sent.push(append(url, JSON.stringify(messages), JSON_TYPE));
  }
  await Promise.all(sent);
  const seconds = (performance.now() - began) / 1000;
  const rate = total / seconds;
  console.log(`${total} messages in ${seconds.toFixed(1)} s, ${Math.round(rate)} a second`);
  assert.ok(seconds >= 5 && rate >= 1000, `${rate} a second for ${seconds} s`);
  await page.waitFor(`${countOf("messages")} >= ${total}`);
  assert.equal(await page.evaluate(countOf("messages")), total);
  const shown = await page.evaluate<string[]>(COLLECT);
  assert.equal(shown.length, total);
  assert.deepEqual(
    shown.map((text) => JSON.parse(text).n).toSorted((a, b) => a - b),
    Array.from({ length: total }, (_, n) => n),
  );
  assertClean(page, server.url);
});

testWith(["chromium"], "scrolled to the top, a tail reads what came before", async () => {
  await using chromium = await startChromium();
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
  await createStream(server.url, "long/json", {
    ...JSON_TYPE,
    body: JSON.stringify(numbers(1500).map((n) => ({ n }))),
  });
  const lines = numbers(20_000).map((n) => `line ${String(n).padStart(6, "0")}\n`).join("");
  await createStream(server.url, "long/text", { body: lines });
  const page = await openInspector(chromium, server.url, "#/stream/long/json");
  await page.waitFor(`${countOf("messages")} === 200`);
  const toTop = (selector: string) =>
    page.evaluate(`document.querySelector("${selector}").scrollTop = 0`);
  const inSight = `[...document.querySelectorAll(".row-text")].map((row) => row.innerText)`;
  await toTop(".content");
  await page.waitFor(`${countOf("messages")} === 700`);
  // What was in sight stays there.
  assert.ok((await page.evaluate<string[]>(inSight)).includes('{"n":1300}'));
  await toTop(".content");
  await page.waitFor(`${countOf("messages")} === 1200`);
  await toTop(".content");
  await page.waitFor(`${countOf("messages")} === 1500`);
  await toTop(".content");
  await page.waitFor(`${inSight}.includes('{"n":0}')`);
  await append(`${server.url}/v1/stream/long/json`, '{"n":1500}', JSON_TYPE);
  await page.waitFor(`${countOf("messages")} === 1501`);

  await show(page, "#/stream/long/text");
  await page.waitFor(`${countOf("bytes")} === ${64 << 10}`);
  for (let kib = 128; kib <= 192; kib += 64) {
    await toTop(".content");
    await page.waitFor(`${countOf("bytes")} === ${kib << 10}`);
  }
  await page.playwright.click("text=Hex");
  await toTop(".content");
  await page.waitFor(`${countOf("bytes")} === ${lines.length}`);
  await toTop(".content");
  await page.waitFor(`document.querySelector(".hex-row .row-time").innerText === "00000000"`);
  await page.waitForText("line 000000", ".hex-text");
  assertClean(page, server.url);
});

const HOSTILE = [
  `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`,
  `"><svg onload=window.hacked=1>`,
  `javascript:window.hacked=1`,
  `\u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff`,
  `{{constructor.constructor("window.hacked=1")()}}`,
];

testWith(["chromium"], "what others have written is text, wherever it is shown", async () => {
  await using chromium = await startChromium();
  const name = `hostile/<img src=x onerror=window.hacked=1>/'"&javascript:\u202egnp`;
  const path = name.split("/").map(encodeURIComponent).join("/");
  const url = await createStream(server.url, path, {
    ...JSON_TYPE,
    headers: { "stream-label-x": `<b onclick=window.hacked=1>bold</b>` },
    body: JSON.stringify([
      ...HOSTILE,
      { "<img src=x onerror=window.hacked=1>": HOSTILE },
      "x".repeat(3 << 20),
    ]),
  });
  await append(url, "1", {
    ...JSON_TYPE,
    headers: { "producer-id": "<img src=x>", "producer-epoch": "0", "producer-seq": "0" },
  });
  await createStream(server.url, "hostile/text", { body: HOSTILE.join("\n") });
  await createStream(server.url, "hostile/type", {
    contentType: `text/html; x="<img src=x onerror=window.hacked=1>"`,
    body: HOSTILE.join("\n"),
  });
  const page = await openInspector(chromium, server.url, "#/streams?prefix=hostile/");
  await page.waitFor(`document.querySelectorAll(".stream-row").length === 3`);
  assert.ok((await page.text(".streams")).includes("<img src=x onerror=window.hacked=1>"));
  for (const stream of [path, "hostile/text", "hostile/type"]) {
    await show(page, `#/stream/${stream}`);
    await page.waitFor(`document.querySelectorAll(".row").length >= 5`);
    for (let row = 0; row < 5; row++) {
      await page.evaluate(`document.querySelectorAll(".row")[${row}].click()`);
      await page.waitFor(`document.querySelector(".pane")`);
    }
    assert.ok(!(await page.text()).includes("\u202e"), "nothing turns the reading order");
  }
  // The only image is the brand's.
  assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 1);
  assert.equal(await page.evaluate("typeof window.hacked"), "undefined");
  assertClean(page, server.url);
});

testWith(["chromium"], "100,000 streams without a stutter", async () => {
  const count = 100_000;
  const sql = postgres(server.databaseUrl, { max: 1 });
  await sql`insert into penstock.streams (path, content_type)
    select 'many/' || lpad(n::text, 6, '0'), 'text/plain' from generate_series(1, ${count}) n`;
  await sql`analyze penstock.streams`;
  await sql.end();
  await using chromium = await startChromium();
  const page = await openInspector(chromium, server.url, "#/streams?prefix=many/");
  await page.waitFor(`document.querySelectorAll(".stream-row").length > 10`);
  // Scrolls to the end of what is loaded until nothing more comes, and notes each frame's length.
  await page.evaluate(`{
    window.frames_ = [];
    let last = performance.now();
    const list = document.querySelector(".streams");
    const step = (now) => {
      frames_.push(now - last);
      last = now;
      list.scrollTop = list.scrollHeight;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }`);
  await page.waitFor(`document.querySelector(".streams").innerText.includes("many/100000")`);
  const drawn = await page.evaluate<number>(`document.querySelectorAll(".stream-row").length`);
  assert.ok(drawn < 100, `${drawn} rows are in the document`);
  const frames = (await page.evaluate<number[]>("frames_")).toSorted((a, b) => a - b);
  const p99 = frames[Math.floor(frames.length * 0.99)]!;
  console.log(`${frames.length} frames, p50 ${frames[frames.length >> 1]} ms, p99 ${p99} ms`);
  assert.ok(p99 < 250, `a frame took ${p99} ms`);
  assertClean(page, server.url);
});
