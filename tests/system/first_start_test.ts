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
      assert.ok(
        atFirst - later < 50 * MIB,
        `the first start holds ${atFirst} KiB, a later one ${later} KiB`,
      );
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** 0 where the system has no /proc. */
function residentKiB({ process }: RunningServer): number {
  if (!fs.existsSync("/proc/self/status")) return 0;
  const status = fs.readFileSync(`/proc/${process.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}
