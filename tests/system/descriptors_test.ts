/** More connections than the process may have: it goes on with those it has, and recovers. */
import assert from "node:assert/strict";
import process from "node:process";
import { write } from "../fuzz/abuse.ts";
import { Wire } from "../fuzz/wire.ts";
import { append, createStream, readAll } from "../support/http.ts";
import { answerOn, closeAll, portOf } from "./overload_support.ts";
import { eventually, serverForThisFile } from "./support.ts";

const LIMIT = 300;

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", { runtime, openFiles: LIMIT });

  Deno.test({
    name: `a server on ${runtime} that runs out of file descriptors goes on`,
    ignore: process.platform === "win32",
    async fn() {
      const url = await createStream(node.url, undefined, { body: "before;" });
      const early = await Wire.open(portOf(node.server));
      const wires: Wire[] = [];
      try {
        for (let tries = 0; tries < 2 * LIMIT; tries++) {
          const wire = await Wire.open(portOf(node.server)).catch(() => undefined);
          if (wire !== undefined) wires.push(wire);
        }
        await write(early, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert.equal((await answerOn(early)).status, 200);
      } finally {
        closeAll([early, ...wires]);
      }
      await eventually(10_000, "an append", () => append(url, "after").catch(() => undefined));
      assert.match((await readAll(url)).text, /^before;(after)+$/);
      const { exitCode, signalCode } = node.server.process;
      assert.deepEqual([exitCode, signalCode], [null, null]);
    },
  });
}
