/** `DurableFiles`: PostgreSQL runs with the settings that make fsync real, and its files are closed. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Engine } from "../../../src/storage/pglite/engine.ts";
import { fsyncCount } from "../../../src/storage/pglite/files.ts";
import { dataDirOf } from "./support.ts";

/** Descriptors of this process that lead into a folder. */
function descriptorsIn(folder: string): number {
  return fs.readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder);
    } catch {
      return false; // the descriptor of the listing itself
    }
  }).length;
}

Deno.test("the server runs with fsync, full_page_writes and synchronous_commit on", async () => {
  const engine = await Engine.open(join(await dataDirOf("files-settings"), "postgres"));
  try {
    for (const setting of ["fsync", "full_page_writes", "synchronous_commit"]) {
      assert.deepEqual(engine.run(`show ${setting}`, [], { keep: false }).reply.rows, [["on"]]);
    }
    const [method] = engine.run("show wal_sync_method", [], { keep: false }).reply.rows;
    assert.deepEqual(method, ["fsync"]);
    const before = fsyncCount();
    engine.run("insert into public.notes values (1, null)", [], { keep: false });
    assert.ok(fsyncCount() > before);
  } finally {
    await engine.close();
  }
});

Deno.test({
  name: "abandon closes the descriptors of a server that will not close them itself",
  ignore: process.platform !== "linux",
  async fn() {
    const cluster = join(await dataDirOf("files-abandon"), "postgres");
    const engine = await Engine.open(cluster);
    engine.run("insert into public.notes values (1, null)", [], { keep: false });
    assert.ok(descriptorsIn(cluster) > 0);
    engine.files.abandon();
    assert.equal(descriptorsIn(cluster), 0);
    const next = await Engine.open(cluster);
    assert.deepEqual(
      next.run("select number from public.notes", [], { keep: false }).reply.rows,
      [[1]],
    );
    await next.close();
  },
});
