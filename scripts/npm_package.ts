/**
 * Makes the npm packages of a release, so that `npx penstock` runs the binary:
 *
 *     deno run -A scripts/npm_package.ts FOLDER OUT
 *
 * FOLDER holds the release's binaries, penstock-linux-x64 and so on. OUT gets a folder for each
 * package: one a system, which npm installs only where it fits, and `penstock`, which depends on all
 * of them and starts the one that is there.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import manifest from "../deno.json" with { type: "json" };

const SCOPE = "@penstock";

interface System {
  readonly os: string;
  readonly cpu: string;
  readonly libc?: string;
}

const SYSTEMS: Readonly<Record<string, System>> = {
  "linux-x64": { os: "linux", cpu: "x64", libc: "glibc" },
  "linux-arm64": { os: "linux", cpu: "arm64", libc: "glibc" },
  "linux-x64-musl": { os: "linux", cpu: "x64", libc: "musl" },
  "linux-arm64-musl": { os: "linux", cpu: "arm64", libc: "musl" },
  "macos-x64": { os: "darwin", cpu: "x64" },
  "macos-arm64": { os: "darwin", cpu: "arm64" },
  "windows-x64": { os: "win32", cpu: "x64" },
};

/** Plain Node of any age that npm still runs on. Signals go to both processes, or are passed on. */
const LAUNCHER = `#!/usr/bin/env node
"use strict";
const { spawn } = require("node:child_process");
const packages = ${
  JSON.stringify(
    Object.fromEntries(Object.keys(SYSTEMS).map((name) => [name, `${SCOPE}/${name}`])),
    null,
    2,
  )
};
const os = { darwin: "macos", win32: "windows" }[process.platform] || process.platform;
const suffix = process.platform === "win32" ? ".exe" : "";
const name = os + "-" + process.arch;
let binary;
for (const candidate of [name, name + "-musl"]) {
  try {
    binary = require.resolve(packages[candidate] + "/penstock" + suffix);
    break;
  } catch (_) {
    // Not installed: npm leaves out what does not fit this system.
  }
}
if (binary === undefined) {
  console.error("penstock: there is no package for " + name + ", or npm was told to omit optional ones");
  process.exit(1);
}
const child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error("penstock: " + error.message);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
`;

if (import.meta.main) {
  const [folder, out] = process.argv.slice(2);
  if (folder === undefined || out === undefined) {
    console.error("npm_package.ts FOLDER OUT");
    process.exitCode = 2;
  } else {
    for (const path of makePackages(folder, out)) console.log(path);
  }
}

/** @returns the packages' folders, `penstock` last: publish them in this order */
export function makePackages(folder: string, out: string): string[] {
  const made = Object.entries(SYSTEMS)
    .filter(([name, system]) => existsSync(join(folder, binaryOf(name, system))))
    .map(([name, system]) => makeSystemPackage(name, system, { folder, out }));
  if (made.length === 0) throw new Error(`${folder} holds no binary of a release`);
  const main = join(out, "penstock");
  mkdirSync(main, { recursive: true });
  writeFileSync(join(main, "penstock.js"), LAUNCHER);
  chmodSync(join(main, "penstock.js"), 0o755);
  writeManifest(main, {
    name: "penstock",
    description: "A Durable Streams server that keeps everything in PostgreSQL",
    bin: { penstock: "penstock.js" },
    files: ["penstock.js"],
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(
      Object.keys(SYSTEMS).map((name) => [`${SCOPE}/${name}`, manifest.version]),
    ),
  });
  return [...made, main];
}

function binaryOf(name: string, { os }: System): string {
  return `penstock-${name}${os === "win32" ? ".exe" : ""}`;
}

function makeSystemPackage(
  name: string,
  system: System,
  { folder, out }: { readonly folder: string; readonly out: string },
): string {
  const path = join(out, name);
  const file = system.os === "win32" ? "penstock.exe" : "penstock";
  mkdirSync(path, { recursive: true });
  copyFileSync(join(folder, binaryOf(name, system)), join(path, file));
  chmodSync(join(path, file), 0o755);
  const { os, cpu, libc } = system;
  writeManifest(path, {
    name: `${SCOPE}/${name}`,
    description: `Penstock's binary for ${name}`,
    os: [os],
    cpu: [cpu],
    ...libc === undefined ? {} : { libc: [libc] },
    files: [file],
    preferUnplugged: true,
  });
  return path;
}

function writeManifest(path: string, fields: Readonly<Record<string, unknown>>): void {
  const { version, license } = manifest;
  // npm attests only to packages that name the repository that they are built in.
  const built = process.env.GITHUB_REPOSITORY;
  const repository = built ? { repository: `git+https://github.com/${built}.git` } : {};
  writeFileSync(
    join(path, "package.json"),
    `${JSON.stringify({ ...fields, version, license, ...repository }, null, 2)}\n`,
  );
}
