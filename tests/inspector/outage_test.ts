/** The node's view while its database is away. */
import assert from "node:assert/strict";
import { startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { Proxy } from "../system/proxy.ts";
import { serverForThisFile } from "../system/support.ts";
import { assertClean, openInspector } from "./support.ts";

const direct = serverForThisFile("postgres");
const tiles = `[...document.querySelectorAll(".tile")].map((tile) => tile.innerText)`;

testWith(["chromium"], "the node's view shows dashes while the database is away", async () => {
  const proxy = await Proxy.start(direct.databaseUrl);
  const args = ["--database-timeout", "1s"];
  const server = await startServer({ database: { url: proxy.url }, args });
  try {
    await using chromium = await startChromium();
    const page = await openInspector(chromium, server.url, "#/node");
    await page.waitFor(
      `${tiles}.some((text) => /Database\\n[\\d.]+ MiB\\nPostgreSQL \\d+/.test(text))`,
    );
    proxy.set("refuse");
    await page.waitFor(`${tiles}.some((text) => text.startsWith("Database\\n–"))`);
    assert.ok(await page.evaluate(`${tiles}.some((text) => text === "Deliveries\\n–")`));
    proxy.set("open");
    await page.waitFor(`${tiles}.some((text) => /Database\\n[\\d.]+ MiB/.test(text))`);
    assertClean(page, server.url);
  } finally {
    await server.kill();
    proxy.stop();
  }
});
