/** Who is let into the inspector, and what it offers them: tokens, namespaces, read-only, ports. */
import assert from "node:assert/strict";
import { ADMIN, ask, makeToken, secretFiles } from "../access/support.ts";
import { type BrowserPage, startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { serverForThisFile } from "../system/support.ts";
import { assertClean, countOf, openInspector, show } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const guard = ["--admin-token-file", files.path("admin")];
const guarded = serverForThisFile("postgres", { args: guard });
const readOnly = serverForThisFile("embedded", { args: [...guard, "--inspector", "read-only"] });
const apart = serverForThisFile("embedded", { args: ["--admin-port", "0"] });
const PASSWORD = "input[type=password]";

async function signIn(page: BrowserPage, token: string): Promise<void> {
  await page.waitFor(`document.querySelector("${PASSWORD}")`);
  await page.playwright.fill(PASSWORD, token);
  await page.playwright.click("button.primary");
}

/** Creates a stream with the first token, and one message. */
async function create(base: string, path: string, headers: Record<string, string> = {}) {
  const created = await ask(`${base}/v1/stream/${path}`, {
    method: "PUT",
    token: ADMIN,
    headers: { "content-type": "application/json", ...headers },
    ...headers["stream-forked-from"] === undefined ? { body: [{ path }] } : {},
  });
  assert.equal(created.status, 201);
}

const rows = `[...document.querySelectorAll(".stream-row .path")].map((row) => row.innerText)`;

testWith(
  ["chromium"],
  "a page asks for a token, keeps it in its tab, and can do what it can",
  async () => {
    const base = guarded.url;
    for (const path of ["chat/1", "chat/2", "secret/1"]) await create(base, path);
    const token = await makeToken(base, "reader", ["read,list:chat/**", "append:chat/2"]);
    assert.match(token, /^pst_/);
    await using chromium = await startChromium();
    const page = await openInspector(chromium, base);
    await signIn(page, "not-a-token-that-anybody-has-made-here");
    await page.waitFor(`document.querySelector(".form-error")`);
    assert.deepEqual(await page.accessibilityViolations(), []);
    await signIn(page, token);
    await page.waitForText("Streams", "h1");
    await page.waitForText("reader", ".sidebar-foot");
    await page.waitFor(`${rows}.length === 2`);
    assert.deepEqual(await page.evaluate(rows), ["chat/1", "chat/2"]);
    assert.ok(!(await page.text()).includes("New stream"));
    await show(page, "#/stream/chat/1");
    await page.waitFor(`${countOf("messages")} === 1`);
    const { playwright } = page;
    assert.equal(await page.evaluate(`document.querySelector(".composer")`), null);
    assert.equal(await page.evaluate(`document.querySelectorAll(".actions .danger").length`), 0);
    await show(page, "#/stream/chat/2");
    await page.waitFor(`document.querySelector(".composer")`);
    await playwright.fill(".composer textarea", "2");
    await playwright.click(".composer .primary");
    await page.waitFor(`${countOf("messages")} === 2`);
    await show(page, "#/stream/secret/1");
    await page.waitForText("FORBIDDEN", ".notice");
    await show(page, "#/node");
    await page.waitForText("the right admin", ".notice");
    assert.equal(await page.evaluate(`JSON.stringify(localStorage)`), "{}");
    await playwright.click("button[aria-label='Sign out']");
    await page.waitFor(`document.querySelector("${PASSWORD}")`);
    assert.equal(await page.evaluate(`sessionStorage.length`), 0);
    assert.ok(page.requests.every((url) => !url.includes("pst_")), "no URL holds the token");
    assertClean(page, base, [401, 403]);
  },
);

testWith(
  ["chromium"],
  "a token with a namespace sees its own names, and none of others",
  async () => {
    const base = guarded.url;
    const made = await ask(`${base}/v1/stream/__ds/tokens`, {
      method: "POST",
      token: ADMIN,
      body: {
        name: "acme",
        namespace: "acme",
        rules: ["read,append,create,delete,subscribe,list,admin:**"],
      },
    });
    const token = made.body.token as string;
    await create(base, "acme/orders/1");
    await create(base, "acme/orders/2", { "stream-forked-from": "acme/orders/1" });
    await create(base, "outside/fork", { "stream-forked-from": "acme/orders/1" });
    await using chromium = await startChromium();
    const page = await openInspector(chromium, base);
    await signIn(page, token);
    await page.waitFor(`${rows}.length === 2`);
    assert.deepEqual(await page.evaluate(rows), ["orders/1", "orders/2"]);
    await show(page, "#/stream/orders/1");
    await page.waitFor(`${countOf("messages")} === 1`);
    await page.waitFor(`document.querySelector(".tree a")?.innerText === "orders/2"`);
    assert.ok(!(await page.text()).includes("outside"));
    const { playwright } = page;
    await playwright.click(".actions >> text=Fork");
    await playwright.click("dialog button.primary");
    await page.waitForText("1-fork", "h1");
    const { status } = await ask(`${base}/v1/stream/acme/orders/1-fork`, { token: ADMIN });
    assert.equal(status, 200);
    await playwright.click(".actions >> text=Delete");
    await playwright.click("dialog button.solid");
    await page.waitFor(`${rows}.length === 2`);
    // Its rule admin:** reaches to the end of its namespace: a node is nobody's.
    await show(page, "#/node");
    await page.waitForText("the right admin", ".notice");
    // A tail learns by 404 that its stream was deleted, unless the page has left it before.
    assertClean(page, base, [401, 403, 404]);
  },
);

testWith(
  ["chromium"],
  "--inspector read-only offers nothing that writes, even to the first token",
  async () => {
    const base = readOnly.url;
    await create(base, "kept");
    await using chromium = await startChromium();
    const page = await openInspector(chromium, base);
    await signIn(page, ADMIN);
    await page.waitForText("read-only", ".sidebar-foot");
    await page.waitFor(`${rows}.length === 1`);
    const { playwright } = page;
    await playwright.keyboard.press("n");
    await show(page, "#/stream/kept");
    await page.waitFor(`${countOf("messages")} === 1`);
    await playwright.keyboard.press("a");
    const offered = `[...document.querySelectorAll("button")].map((b) => b.innerText.trim())`;
    const buttons = await page.evaluate<string[]>(offered);
    for (const name of ["New stream", "Fork", "Trim", "Close", "Delete", "Append"]) {
      assert.ok(!buttons.includes(name), name);
    }
    assert.equal(await page.evaluate(`document.querySelector("dialog, .composer")`), null);
    assertClean(page, base, [401]);
    // It is no right: the token can do all that it could.
    const appended = await ask(`${base}/v1/stream/kept`, {
      method: "POST",
      token: ADMIN,
      headers: { "content-type": "application/json" },
      body: "2",
    });
    assert.equal(appended.status, 204);
    await page.waitFor(`${countOf("messages")} === 2`);
  },
);

testWith(
  ["chromium"],
  "with an admin port, the page says where the node's figures are",
  async () => {
    await using chromium = await startChromium();
    const page = await openInspector(chromium, apart.url, "#/node");
    await page.waitForText("--admin-port", ".notice");
    assert.deepEqual(await page.accessibilityViolations(), []);
    const asked = page.requests.filter((url) => url.endsWith("__ds/node")).length;
    await show(page, "#/streams");
    await page.waitForText("No streams yet", ".notice");
    assert.ok(asked <= 2, `${asked} requests for what is not there`);
    assertClean(page, apart.url, [404]);
  },
);
