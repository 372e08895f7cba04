/** The embedded database's disk fills, or fails to keep what it was given. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { eventually, within } from "./support.ts";

const ANSWER_MS = 15_000;
const RECOVERY_MS = 30_000;
const plain = { "content-type": "text/plain" };

const MAY_MOUNT = process.platform === "linux" && userInfo().uid === 0;

async function post(url: string, body: BodyInit): Promise<number> {
  const answer = fetch(url, { method: "POST", headers: plain, body });
  const response = await within(ANSWER_MS, "an append's answer", answer);
  const text = await response.text();
  if (response.status === 204) return 204;
  assert.equal(response.status, 503, text);
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  return 503;
}

Deno.test({
  name: "a full disk: 503, it is said why, nothing acked is lost, and room mends it",
  // A disk of a few megabytes takes the right to mount one.
  ignore: !MAY_MOUNT,
  async fn() {
    const disk = mkdtempSync(join(tmpdir(), "penstock-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=160m", "tmpfs", disk]);
    const database = { dataDir: join(disk, "data") };
    let node: RunningServer | undefined;
    try {
      node = await startServer({ database });
      const url = await createStream(node.url);
      writeFileSync(join(disk, "ballast"), new Uint8Array(40 << 20));
      const chunk = new Uint8Array(1 << 20).fill(120);
      let acked = 0;
      while (await post(url, chunk) === 204) {
        acked += chunk.length;
        assert.ok(acked < 160 << 20, "the disk does not fill");
      }
      assert.ok(acked > 0);
      await node.logged((line) => line.event === "database_unavailable");
      // Still full, and still no ack that is not true.
      const more = (await post(url, "small")) === 204 ? "small" : "";
      rmSync(join(disk, "ballast"));
      await eventually(
        RECOVERY_MS,
        "an ack",
        async () => await post(url, "end") === 204 || undefined,
      );
      const { text } = await readAll(url);
      // What was answered 503 is not there, or there once: its outcome was not known.
      const kept = text.replace(/^x+/, "");
      const filled = text.length - kept.length;
      assert.ok(filled === acked || filled === acked + chunk.length, `${filled} of ${acked}`);
      assert.match(kept, new RegExp(`^${more === "" ? "(small)?" : more}(end)+$`));
      // A full disk ends the server where the WAL has to grow, and one statement where a table has.
      const events = node.logs.map((line) => JSON.parse(line).event);
      const stopped = events.includes("embedded_stopped");
      assert.equal(events.includes("embedded_restarted"), stopped);
      await node.kill();
      node = await startServer({ database });
      assert.equal((await readAll(node.url + new URL(url).pathname)).text, text);
    } finally {
      await node?.kill();
      execFileSync("umount", ["-l", disk]);
      rmdirSync(disk);
    }
  },
});
