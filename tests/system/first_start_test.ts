/** The first start on an empty folder: what it says, what it keeps, and what it holds in memory. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const MIB = 1024;

for (const runtime of ["deno", "bun"] as const) {
  const name =
    `${runtime}: the first start says that it makes the database, and a kill -9 loses nothing`;
  Deno.test(name, async () => {
    // What a collector has not got round to yet is no part of what a start holds: the least counts.
    const more: number[] = [];
    for (let attempt = 0; attempt < 3 && Math.min(...more) >= 50 * MIB; attempt++) {
      more.push(await firstStart(runtime));
    }
    assert.ok(Math.min(...more) < 50 * MIB, `a first start holds ${more.join()} KiB more`);
  });
}

/** Returns how many KiB the first start holds more than a later one. */
async function firstStart(runtime: "deno" | "bun"): Promise<number> {
  const folder = fs.mkdtempSync(join(tmpdir(), "penstock-first-start-"));
  const dataDir = join(folder, "data");
  try {
    const first = await startServer({ runtime, database: { dataDir } });
    const atFirst = residentKiB(first);
    const events = first.logs.map((line) => JSON.parse(line));
    const names = events.map(({ event }) => event);
    assert.ok(names.includes("database_creating"), names.join());
    assert.ok(names.indexOf("database_creating") < names.indexOf("migrated"));
    assert.equal(events[names.indexOf("database_creating")].dataDir, dataDir);
    const stream = await createStream(first.url, undefined, { body: "kept" });
    await first.kill();

    const second = await startServer({ runtime, database: { dataDir } });
    assert.equal((await readAll(second.url + new URL(stream).pathname)).text, "kept");
    assert.ok(!second.logs.some((line) => JSON.parse(line).event === "database_creating"));
    const later = residentKiB(second);
    await second.kill();
    return atFirst - later;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** 0 where the system has no /proc. */
function residentKiB({ process }: RunningServer): number {
  if (!fs.existsSync("/proc/self/status")) return 0;
  const status = fs.readFileSync(`/proc/${process.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}
