/** examples/go_follower: each message once, through restarts of the server and of the follower. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGoProgram } from "../clients/packages.ts";
import { append, createStream } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import { freePort, freshStorage } from "../system/support.ts";
import { ExampleProcess, EXAMPLES } from "./example_process.ts";

const go = await buildGoProgram(join(EXAMPLES, "go_follower"), "follower");
if ("missing" in go) console.error(`skipped: examples/go_follower: ${go.missing}`);
const json = { contentType: "application/json" };

Deno.test({
  name: "the Go follower prints each message once, and ends with the stream",
  ignore: "missing" in go,
  async fn() {
    const program = join("folder" in go ? go.folder : "", "follower");
    const storage = await freshStorage("embedded");
    const folder = mkdtempSync(join(tmpdir(), "penstock-follower-"));
    const args = ["--port", String(await freePort())];
    let server = await startServer({ database: storage.database, args });
    try {
      const url = await createStream(server.url, "events", json);
      const follow = () => new ExampleProcess(program, [url, join(folder, "offset")]);
      await append(url, `[{"n":1},{"n":2}]`, json);
      {
        await using follower = follow();
        await follower.printed(/^{"n":2}$/m);
        await append(url, `{"n":3}`, json);
        await follower.printed(/^{"n":3}$/m);
        await server.kill();
        server = await startServer({ database: storage.database, args });
        await append(url, `{"n":4}`, json);
        await follower.printed(/^{"n":4}$/m);
        assert.deepEqual(numbers(follower), [1, 2, 3, 4]);
      }
      await append(url, `{"n":5}`, { ...json, headers: { "stream-closed": "true" } });
      await using again = follow();
      assert.equal(await again.ended(), 0, again.output);
      // The file may be a message behind the print when the first one was killed.
      assert.deepEqual(numbers(again).filter((n) => n > 4), [5]);
    } finally {
      await server.kill();
      await storage.remove();
      rmSync(folder, { recursive: true });
    }
  },
});

function numbers(follower: ExampleProcess): number[] {
  return [...follower.output.matchAll(/^{"n":(\d)}$/gm)].map(([, n]) => Number(n));
}
