/** A disk that says it could not keep what PostgreSQL gave it: nothing of that is ever acked. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createStream, readAll } from "../support/http.ts";
import { startOwnPostgres } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";
import { eventually, expectError, produce, within } from "./support.ts";

const ANSWER_MS = 8000;
const RECOVERY_MS = 20_000;

/** In the place of libc's: input/output error for as long as a file is there. */
const FAILING_FSYNC = `
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int fails(void) {
  const char *path = getenv("FAIL_FSYNC");
  if (path == NULL || access(path, F_OK) != 0) return 0;
  errno = EIO;
  return 1;
}
int fsync(int fd) { return fails() ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails() ? -1 : syscall(SYS_fdatasync, fd); }
`;

/** Null where it cannot be built or preloaded. */
function buildLibrary(folder: string): string | null {
  if (process.platform !== "linux") return null;
  const source = join(folder, "fsync.c");
  const library = join(folder, "fsync.so");
  fs.writeFileSync(source, FAILING_FSYNC);
  const { status } = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source]);
  return status === 0 ? library : null;
}

const folder = fs.mkdtempSync(join(tmpdir(), "penstock-fsync-"));
globalThis.addEventListener("unload", () => fs.rmSync(folder, { recursive: true, force: true }));
fs.chmodSync(folder, 0o755);
const library = buildLibrary(folder);

Deno.test({
  name: "an fsync that fails under PostgreSQL: 503, nothing acked is lost, retries are exact",
  ignore: library === null,
  async fn() {
    const trigger = join(folder, "fail");
    const postgres = await startOwnPostgres({ LD_PRELOAD: library!, FAIL_FSYNC: trigger });
    const node = await startServer({
      database: { url: postgres.url },
      args: ["--database-timeout", "2s"],
    });
    try {
      const url = await createStream(node.url);
      const send = (seq: number) =>
        within(
          ANSWER_MS,
          "an append's answer",
          produce(url, { id: "p", epoch: 0, seq }, `${seq};`),
        );
      for (let seq = 0; seq < 5; seq++) assert.equal((await send(seq)).status, 200);

      fs.writeFileSync(trigger, "");
      assert.equal(await expectError(await send(5), 503), "DATABASE_UNAVAILABLE");
      assert.equal(await expectError(await send(5), 503), "DATABASE_UNAVAILABLE");
      fs.rmSync(trigger);

      // It ended itself rather than go on with what the disk may have lost; whoever runs it restarts it.
      await postgres.crash();
      await postgres.start();
      const again = await eventually(RECOVERY_MS, "an ack", async () => {
        const response = await send(5);
        await response.body?.cancel();
        return response.status === 503 ? undefined : response.status;
      });
      assert.ok(again === 200 || again === 204, `${again}`);
      assert.equal((await send(6)).status, 200);
      // Another connection of the pool may still have the crash before it.
      const { text } = await eventually(
        RECOVERY_MS,
        "a read",
        () => readAll(url).catch(() => undefined),
      );
      assert.equal(text, "0;1;2;3;4;5;6;");
    } finally {
      await node.kill();
      await postgres.stop();
    }
  },
});
