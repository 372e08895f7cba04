/** `penstock serve`: one node, or a supervisor of several. */
import process from "node:process";
import { asksForAccess } from "../access/settings.ts";
import { Node } from "../node.ts";
import { runtimeName, sharesPorts } from "../platform.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { VERSION } from "../version.ts";
import type { Config } from "./config.ts";
import { claimPort } from "./listening_port.ts";
import { announceServing, isSuccessor } from "./self_process.ts";
import { notifyReady, notifyStopping } from "./service_manager.ts";
import { quickStart } from "./quick_start.ts";
import { reportSettings } from "./setting_reports.ts";
import { telemetryOf } from "./telemetry.ts";
import { Supervisor, whenSupervisorLeaves, workerNumber } from "./supervisor.ts";
import { Upgrade, upgradeObstacle } from "./upgrade.ts";

/** Serves until a signal ends it; with `--workers`, supervises the processes that do. */
export async function serve(config: Config, args: readonly string[]): Promise<void> {
  const { telemetry, readable } = telemetryOf(config);
  if (config.workers > 1) return await supervise(config, args, telemetry);
  const worker = workerNumber();
  telemetry.report({ event: "starting", version: VERSION, runtime: runtimeName() });
  if (worker === null) {
    reportSettings(config, telemetry);
    // Found out here, and not when the database has been made. A supervisor has done both.
    if (config.port !== 0 && !isSuccessor()) await claimPort(config.host, config.port);
  }
  const sharedPort = worker !== null || upgradeObstacle(config) === null;
  const node = await Node.start(config, telemetry, { worker, sharedPort });
  if (readable && (worker ?? 1) === 1 && !isSuccessor()) {
    process.stdout.write(quickStart({
      url: node.url.replace(/\/$/, ""),
      database: node.database.description,
      inspector: config.inspector !== "off",
      guarded: asksForAccess(config.accessControl),
    }));
  }

  let stopping = false;
  const stop = (reason: string, { successor = false } = {}) => {
    if (stopping) {
      // A worker is signalled by its supervisor, and by a terminal or systemd too: one is enough.
      if (worker !== null) return;
      telemetry.report({ event: "stop_forced", reason: `second ${reason}` });
      process.exit(130);
    }
    stopping = true;
    upgrade.stop();
    if (worker === null && !successor) void notifyStopping(telemetry);
    node.stop(reason, { successor }).then(() => process.exit(0));
  };
  const handOver = (reason: string) => stop(reason, { successor: true });
  const port = Number(new URL(node.url).port);
  const upgrade = new Upgrade({ args, config, port, telemetry, handOver });
  onSignals(stop);
  // To a worker the signal comes from its supervisor, once others serve.
  onUpgradeSignal(() => worker === null ? upgrade.start() : handOver("others have taken over"));
  if (config.certificateFiles !== null) process.on("SIGHUP", () => node.reloadCertificate());
  if (worker !== null) whenSupervisorLeaves(stop);
  else await notifyReady(node.url, telemetry);
  announceServing();
}

async function supervise(
  config: Config,
  args: readonly string[],
  telemetry: Telemetry,
): Promise<void> {
  if (!sharesPorts()) throw new Error("--workers needs Linux, where processes share a port");
  telemetry.report({ event: "starting", version: VERSION, runtime: runtimeName() });
  reportSettings(config, telemetry);
  const supervisor = new Supervisor(args, config, telemetry);
  onSignals((signal) => supervisor.stop(signal));
  onUpgradeSignal(() => supervisor.upgrade());
  if (config.certificateFiles !== null) process.on("SIGHUP", () => supervisor.passOn("SIGHUP"));
  process.exit(await supervisor.run());
}

function onSignals(stop: (signal: string) => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop(signal));
}

/** Windows has no such signal. */
function onUpgradeSignal(upgrade: () => void): void {
  if (process.platform !== "win32") process.on("SIGUSR2", upgrade);
}
