/** The clients that people install, each through a kill of the server; see docs/clients.md. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  buildGoProbe,
  installNpmPackages,
  installPythonPackage,
  type Packages,
} from "./packages.ts";
import { type Probe, runProbe } from "./probe.ts";

const HERE = import.meta.dirname ?? ".";

// Before the tests are registered: one whose packages are not to be had is ignored, with a word.
const npm = await installNpmPackages();
const python = await installPythonPackage();
const go = await buildGoProbe(join(HERE, "go"));

interface Client {
  readonly name: string;
  readonly packages: Packages;
  readonly probe: (folder: string) => Probe;
  readonly steps: readonly string[];
}

/** Run where its packages are, because it names them as an application does. */
function npmProbe(file: string): (folder: string) => Probe {
  return (folder) => {
    copyFileSync(join(HERE, "npm", "steps.mts"), join(folder, "steps.mts"));
    copyFileSync(join(HERE, "npm", file), join(folder, file));
    const flags = ["--no-lock", "--no-config", "--node-modules-dir=manual"];
    return { command: process.execPath, args: ["run", "-A", ...flags, file], cwd: folder };
  };
}

const CLIENTS: readonly Client[] = [
  {
    name: "@durable-streams/client",
    packages: npm,
    probe: npmProbe("client.mts"),
    steps: [
      ...["create", "append", "read", "exactly-once", "long-poll", "sse", "kill-me"],
      ...["append-after-restart", "producer-through-restart", "long-poll-resumed", "sse-resumed"],
    ],
  },
  {
    name: "@durable-streams/y-durable-streams",
    packages: npm,
    probe: npmProbe("yjs.mts"),
    steps: [
      ...["create", "append", "long-poll", "sse", "compacted", "read-after-compaction"],
      ...["compacted-again", "read-after-second-compaction"],
      ...["kill-me", "read-after-restart", "append-after-restart"],
      ...["long-poll-resumed", "sse-reconnected"],
    ],
  },
  {
    name: "@durable-streams/state",
    packages: npm,
    probe: npmProbe("state.mts"),
    steps: [
      ...["create", "append", "read", "long-poll", "sse"],
      ...["kill-me", "append-after-restart", "long-poll-resumed", "sse-reopened"],
    ],
  },
  {
    name: "@durable-streams/aisdk-transport",
    packages: npm,
    probe: npmProbe("aisdk.mts"),
    steps: ["create", "append", "sse", "kill-me", "append-after-restart", "sse-resumed", "read"],
  },
  {
    name: "@durable-streams/tanstack-ai-transport",
    packages: npm,
    probe: npmProbe("tanstack_ai.mts"),
    steps: [
      ...["create", "append", "read", "sse"],
      ...["kill-me", "append-after-restart", "sse-resumed", "read-after-restart"],
    ],
  },
  {
    name: "durable-streams of PyPI",
    packages: python,
    probe: (folder) => ({
      command: "python3",
      args: [join(HERE, "python", "probe.py")],
      env: { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" },
    }),
    steps: [
      ...["create", "append", "read", "once-by-seq", "long-poll", "sse", "kill-me"],
      ...["append-after-restart", "long-poll-resumed", "sse-resumed"],
    ],
  },
  {
    name: "client-go",
    packages: go,
    probe: (folder) => ({ command: join(folder, "probe"), args: [] }),
    steps: [
      ...["create", "append", "read", "once-by-seq", "long-poll", "sse", "kill-me"],
      ...["append-after-restart", "long-poll-resumed", "sse-resumed"],
    ],
  },
];

for (const { name, packages, probe, steps } of CLIENTS) {
  const missing = "missing" in packages ? packages.missing : undefined;
  if (missing !== undefined) console.error(`skipped: the probe of ${name}: ${missing}`);
  Deno.test({
    name: `${name}: goes on after the server was killed and started again`,
    ignore: missing !== undefined,
    fn: () => runProbe(probe("folder" in packages ? packages.folder : ""), steps),
  });
}
