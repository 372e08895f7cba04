/** What systemd is told where it waits to be told: a socket like its own receives it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freshDatabase } from "../support/postgres.ts";
import { testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { within } from "./support.ts";

/** Prints each datagram in a line. Plain recv() closes the descriptor that systemd-notify waits for. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(4096).decode().replace("\\n", "|"), flush=True)
`;

for (const workers of ["1", "2"]) {
  testWith(
    ["systemd-notify", "python3"],
    `systemd is told of the start and the end, with --workers ${workers}`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "penstock-notify-"));
      const socket = join(folder, "notify");
      const receiver = spawn("python3", ["-c", RECEIVER, socket], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
      const received = async (pattern: RegExp) => {
        for (let line = ""; !pattern.test(line);) line = (await lines.next()).value as string;
      };
      const database = await freshDatabase();
      try {
        await received(/^bound$/);
        const server = await startServer({
          database,
          args: ["--workers", workers, "--database-connections", "3"],
          env: { NOTIFY_SOCKET: socket },
        });
        const ready = new RegExp(`^READY=1\\|MAINPID=${server.process.pid}\\|STATUS=Serving on `);
        await within(20_000, "READY", received(ready));
        const stopped = server.stop();
        await within(20_000, "STOPPING", received(/^STOPPING=1/));
        assert.equal(await stopped, 0);
        assert.ok(!server.logs.join().includes("notify_failed"));
      } finally {
        receiver.kill();
        await once(receiver, "exit");
        await database.drop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
}
