/** The first start on an empty folder: what it says, how long it takes and what it keeps in memory. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const MIB = 1024;

Deno.test(
  "the first start says that it makes the database, and needs no more memory than a later one",
  {
    ignore: process.platform !== "linux",
  },
  async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "penstock-first-start-"));
    const dataDir = join(folder, "data");
    try {
      const first = await startServer({ database: { dataDir } });
      const atFirst = residentKiB(first);
      const events = first.logs.map((line) => JSON.parse(line));
      const names = events.map(({ event }) => event);
      assert.ok(names.includes("database_creating"), names.join());
      assert.ok(names.indexOf("database_creating") < names.indexOf("migrated"));
      assert.equal(events[names.indexOf("database_creating")].dataDir, dataDir);
      const stream = await createStream(first.url, undefined, { body: "kept" });
      // kill -9: what has been acknowledged is on the disk from the first moment on.
      await first.kill();

      const second = await startServer({ database: { dataDir } });
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
  },
);

function residentKiB({ process }: RunningServer): number {
  const status = fs.readFileSync(`/proc/${process.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}
