/** The embedded server without inodes or descriptors: eight seconds after the fault all is well. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { append, createStream, readAll } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import { Disk } from "../torture/disk.ts";
import { limitOpenFiles } from "../torture/open_files.ts";
import { elapse, eventually } from "./support.ts";

const RECOVERY_MS = 8000;
const FAULT_MS = 2000;
/** For how long the fault is kept up until it has refused something. */
const MOST_FAULT_MS = 20_000;
const BODY = "x".repeat(200_000);

interface Place {
  readonly folder: string;
  readonly disk: Disk | null;
  /** How many files the server might have open before the fault. */
  openFiles: number;
}

interface Shortage {
  readonly name: string;
  begin(place: Place, pid: number): void;
  end(place: Place, pid: number): void;
}

const SHORTAGES: readonly Shortage[] = [
  {
    name: "inodes",
    begin: ({ disk }) => disk!.useUpInodes(),
    end: ({ disk }) => disk!.freeInodes(),
  },
  {
    name: "descriptors",
    begin: (place, pid) => place.openFiles = limitOpenFiles(pid, 3),
    end: ({ openFiles }, pid) => limitOpenFiles(pid, openFiles),
  },
];

function place(name: string): Place | null {
  const folder = mkdtempSync(join(tmpdir(), "penstock-shortage-"));
  if (name !== "inodes") {
    return spawnSync("prlimit", ["--version"]).status === 0
      ? { folder, disk: null, openFiles: 0 }
      : null;
  }
  const disk = Disk.mount(folder, 1 << 29);
  return disk === null ? null : { folder, disk, openFiles: 0 };
}

for (const runtime of ["deno", "bun"] as const) {
  for (const shortage of SHORTAGES) {
    Deno.test({
      name: `${runtime}: without ${shortage.name} nothing acked is lost, and soon all is well`,
      ignore: process.platform !== "linux",
      async fn() {
        const at = place(shortage.name);
        // Only root may mount, and not every system has prlimit.
        if (at === null) return console.log(`  there is no way here to take ${shortage.name}`);
        const database = { dataDir: join(at.folder, "data") };
        let node = await startServer({ runtime, database });
        try {
          const pid = node.process.pid!;
          // A stream of its own, and so new files, for each round: connections are open already.
          const url = await createStream(node.url);
          const acked: string[] = [];
          let refused = 0;
          const reasons = new Map<string, number>();
          const refuse = (error: Error) => {
            refused++;
            const reason = /"code":"(\w+)"/.exec(error.message)?.[1] ?? error.message;
            reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          };
          shortage.begin(at, pid);
          const since = Date.now();
          const lasts = () => Date.now() - since < (refused === 0 ? MOST_FAULT_MS : FAULT_MS);
          for (let round = 0; lasts(); round++) {
            const text = `${round};`;
            await append(url, text + BODY).then(() => acked.push(text), refuse);
            await createStream(node.url).catch(refuse);
            await elapse(20, "so that a server that refuses is not asked in a tight loop");
          }
          shortage.end(at, pid);
          assert.ok(refused > 0, "nothing was refused, so nothing was short");
          const began = Date.now();
          await eventually(RECOVERY_MS, "an append, a creation and a read", async () => {
            const made = await createStream(node.url).catch(() => undefined);
            if (made === undefined) return undefined;
            return await append(url, "end;").then(() => true, () => undefined);
          });
          assert.ok(Date.now() - began < RECOVERY_MS);
          for (let round = 0; round < 10; round++) await append(url, BODY);
          const { text } = await readAll(url);
          for (const sent of acked) assert.ok(text.includes(sent), sent);
          await node.kill();
          node = await startServer({ runtime, database });
          assert.equal((await readAll(node.url + new URL(url).pathname)).text, text);
          const why = [...reasons].map(([reason, times]) => `${times} ${reason}`).join(", ");
          console.log(`  ${acked.length} acked and ${refused} refused during the fault: ${why}`);
        } finally {
          await node.kill();
          at.disk?.unmount();
          rmSync(at.folder, { recursive: true, force: true });
        }
      },
    });
  }
}
