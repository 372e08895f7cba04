/** Tells systemd how this process is, where systemd started it and waits to be told (sd_notify(3)). */
import { spawn } from "node:child_process";
import process from "node:process";
import { settlesWithin } from "../lib/timeout.ts";
import type { Telemetry } from "../telemetry/events.ts";

/** How long systemd may take to receive a notification. Milliseconds. */
const NOTIFY_MS = 5000;

/**
 * This process serves. After an upgrade it is also the one that the unit consists of from now on.
 * Resolves when systemd has taken note.
 */
export function notifyReady(url: string, telemetry: Telemetry): Promise<void> {
  return notify(["READY=1", `MAINPID=${process.pid}`, `STATUS=Serving on ${url}`], telemetry);
}

export function notifyStopping(telemetry: Telemetry): Promise<void> {
  return notify(["STOPPING=1"], telemetry);
}

/**
 * By the program systemd-notify, because Bun has no datagram sockets of the file system. It waits
 * until systemd has read the notification, so the process that it names may end afterwards.
 */
async function notify(assignments: readonly string[], telemetry: Telemetry): Promise<void> {
  if (!process.env.NOTIFY_SOCKET) return;
  const child = spawn("systemd-notify", [...assignments], { stdio: "ignore" });
  const failure = new Promise<string | null>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once(
      "exit",
      (code, signal) => resolve(code === 0 ? null : `${signal ?? `code ${code}`}`),
    );
  });
  const reason = await settlesWithin(failure, NOTIFY_MS) ? await failure : "no answer";
  if (reason !== null) telemetry.report({ event: "notify_failed", reason });
}
