/** The disk of what was deleted comes back: the embedded database has no autovacuum of its own. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { yieldToEventLoop } from "../../../src/lib/event_loop.ts";
import { Engine } from "../../../src/storage/pglite/engine.ts";
import { Maintenance } from "../../../src/storage/pglite/maintenance.ts";
import { dataDirOf } from "./support.ts";

const MIB = 1 << 20;
/** Bytes that do not compress, as PostgreSQL stores them: few rows, and much TOAST. */
const ROUND_BYTES = 96 * MIB;
const ROUNDS = 5;

function sizeOf(folder: string): number {
  return fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? sizeOf(path) : fs.statSync(path).size);
  }, 0);
}

Deno.test("few deleted rows of many bytes are vacuumed, and their disk comes back", async () => {
  const cluster = join(await dataDirOf("deleted-bytes"), "postgres");
  const engine = await Engine.open(cluster);
  const maintenance = new Maintenance((work) => Promise.try(() => work(engine)));
  const tables = () => sizeOf(join(cluster, "base"));
  const before = tables();
  const row = crypto.getRandomValues(new Uint8Array(65_536));
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += row.length) bytes.set(row, at);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (let number = 0; number < ROUND_BYTES / MIB; number++) {
        engine.run("insert into public.notes values ($1, $2)", [number, bytes], { keep: true });
        maintenance.afterStatement(engine);
        await yieldToEventLoop();
      }
      engine.script("delete from public.notes");
      await maintenance.vacuum();
    }
    const kept = tables() - before;
    assert.ok(kept < ROUND_BYTES / 4, `${Math.round(kept / MIB)} MiB are kept of tables`);
    const all = sizeOf(cluster);
    assert.ok(all < 200 * MIB, `${Math.round(all / MIB)} MiB`);
  } finally {
    await maintenance.stop();
    await engine.close();
  }
});
