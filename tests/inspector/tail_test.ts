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

testWith(["chromium"], "a tail follows 1,000 appends a second, and counts each once", async () => {
  await using chromium = await startChromium();
  const url = await createStream(server.url, "busy", JSON_TYPE);
  const page = await openInspector(chromium, server.url, "#/stream/busy");
  await page.waitFor(`document.querySelector(".status.live")`);
  const total = 6000;
  const began = performance.now();
  // Ten clients, each at a hundred a second.
  await Promise.all(Array.from({ length: 10 }, async (_, client) => {
    for (let n = client; n < total; n += 10) {
      const due = began + n - performance.now();
      if (due > 0) await elapse(due, "a client sends a hundred a second");
      await append(url, JSON.stringify({ n }), JSON_TYPE);
    }
  }));
  const seconds = (performance.now() - began) / 1000;
  await page.waitFor(`${countOf("messages")} >= ${total}`);
  assert.equal(await page.evaluate(countOf("messages")), total);
  console.log(
    `${total} appends in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)} a second`,
  );
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
