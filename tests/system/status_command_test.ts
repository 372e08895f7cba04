/** `penstock status`: of a running server, live on a terminal, through an outage, and as JSON. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { append, createStream } from "../support/http.ts";
import { testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { Workplace } from "./client_commands.ts";
import { eventually, freePort, freshStorage } from "./support.ts";

Deno.test("penstock status --once --json says what was done in its second", async () => {
  const storage = await freshStorage("embedded");
  const server = await startServer({ database: storage.database });
  const work = new Workplace(`${server.url}/v1/stream`);
  try {
    const url = await createStream(server.url);
    const asked = work.penstock("status", "--once", "--json");
    let ended = false;
    const whenEnded = asked.then(() => ended = true);
    let appends = 0;
    while (!ended) {
      await append(url, "some");
      appends++;
    }
    await whenEnded;
    const { code, stdout, stderr } = await asked;
    assert.equal(code, 0, stderr);
    const said = JSON.parse(stdout);
    assert.ok(said.rates.appends > 0 && said.rates.appends <= appends, stdout);
    assert.ok(said.totals.appends > 0 && said.totals.appends <= appends, stdout);

    const plain = await work.penstock("status", "--once");
    assert.match(plain.stdout, /^Followers +0 by SSE, 0 by long-poll$/m);
    const wrong = await work.penstock("status", "--url", `${server.url}/elsewhere`);
    assert.equal(wrong.code, 3, wrong.stderr);
    assert.match(wrong.stderr, /is of no Penstock of 0\.2 or newer/);
  } finally {
    work.remove();
    await server.kill();
    await storage.remove();
  }
});

testWith(
  ["script"],
  "penstock status redraws a terminal, and shows an outage and its end",
  async () => {
    const storage = await freshStorage("embedded");
    const port = await freePort();
    const options = { database: storage.database, args: ["--port", String(port)] };
    let server = await startServer(options);
    const work = new Workplace(`${server.url}/v1/stream`);
    const terminal = spawn("script", ["-qec", `${work.folder}/penstock status`, "/dev/null"], {
      env: {
        ...process.env,
        PENSTOCK_URL: `${server.url}/v1/stream`,
        TERM: "xterm",
        NO_COLOR: "1",
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    let shown = "";
    terminal.stdout.on("data", (chunk: Uint8Array) => shown += new TextDecoder().decode(chunk));
    const until = (what: string, pattern: { test(text: string): boolean }) =>
      eventually(20_000, what, () => Promise.resolve(pattern.test(shown) || undefined));
    try {
      // What moves the cursor up and clears the rest: the second picture takes the first one's place.
      await until("a second picture", { test: (text) => text.includes("\x1b[11A\r\x1b[J") });
      await until("rates", /Requests +[\d.]+\/s/);
      await server.kill();
      await until("the outage", /does not answer[^\n]*, for \d+ s/);
      shown = "";
      server = await startServer(options);
      await until("its end", /Requests +[\d.]+\/s/);
    } finally {
      terminal.kill("SIGKILL");
      work.remove();
      await server.kill();
      await storage.remove();
    }
  },
);
