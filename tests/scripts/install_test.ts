/** scripts/install.sh, the npm packages and the unit, with the real binary. */
// Runs after compile: it installs the binary.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { makePackages } from "../../scripts/npm_package.ts";
import manifest from "../../deno.json" with { type: "json" };
import { testWith } from "../support/programs/program.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const BINARY = join(ROOT, "dist/penstock");
const NAME = `penstock-linux-${process.arch}`;
const VERSION = `penstock ${manifest.version}\n`;
const ignore = process.platform !== "linux" || !existsSync(BINARY);
const run = promisify(execFile);

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-install-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The exit code and all output of a command that may fail. */
async function outcome(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(command, args, { env: { ...process.env, ...env } });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

/** A server of releases whose files are these. */
async function serveRelease(files: Readonly<Record<string, () => Uint8Array | string>>) {
  const server = createServer((request, response) => {
    const file = files[request.url ?? ""];
    response.statusCode = file === undefined ? 404 : 200;
    response.end(file?.());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}

Deno.test({
  name: "install.sh installs what SHA256SUMS names, and nothing else",
  ignore,
  async fn() {
    await withFolder(async (folder) => {
      const binary = readFileSync(BINARY);
      const sum = createHash("sha256").update(binary).digest("hex");
      let sums = `${sum}  ${NAME}\n`;
      const at = (path: string) => ({
        [`/${path}/SHA256SUMS`]: () => sums,
        [`/${path}/${NAME}`]: () => binary,
      });
      const releases = await serveRelease({ ...at("latest/download"), ...at("download/v1.2.3") });
      const install = (...args: string[]) =>
        outcome("sh", [join(ROOT, "scripts/install.sh"), "--prefix", folder, ...args], {
          PENSTOCK_RELEASES: releases.url,
        });
      try {
        const installed = join(folder, "bin/penstock");
        for (const [wrong, what] of [["0".repeat(64), /nothing is installed/], ["", /not name/]]) {
          sums = wrong === "" ? "" : `${wrong}  ${NAME}\n`;
          const refused = await install();
          assert.equal(refused.code, 1, refused.output);
          assert.match(refused.output, what as RegExp);
          assert.ok(!existsSync(installed));
        }
        sums = `${sum}  other\n${sum}  ${NAME}\n`;
        for (const args of [[], ["--version", "v1.2.3"]]) {
          const done = await install(...args);
          assert.equal(done.code, 0, done.output);
          assert.ok(done.output.endsWith(`${installed}: ${VERSION}`), done.output);
          assert.deepEqual(readdirSync(join(folder, "bin")), ["penstock"]);
          assert.equal((await run(installed, ["--version"])).stdout, VERSION);
        }
        assert.match((await install("--version", "9.9.9")).output, /cannot download/);
        assert.match((await install("--version", "../x")).output, /is not a version/);
        assert.match((await install("--what")).output, /unknown argument/);
      } finally {
        releases.stop();
      }
    });
  },
});

Deno.test({
  name: "the npm packages, packed and installed, run the binary",
  ignore,
  async fn() {
    await withFolder(async (folder) => {
      const [release, out, app] = ["release", "out", "app"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      mkdirSync(release);
      mkdirSync(app);
      cpSync(BINARY, join(release, NAME));
      const packages = makePackages(release, out);
      assert.deepEqual(packages, [
        join(out, NAME.slice("penstock-".length)),
        join(out, "penstock"),
      ]);
      const tarballs: string[] = [];
      for (const [at, path] of packages.entries()) {
        // Compressing the binary takes ten seconds: npm then installs the folder as it is.
        if (at === 0 && process.env.PENSTOCK_TEST_PACK !== "1") {
          tarballs.push(path);
          continue;
        }
        const { stdout } = await run("npm", ["pack", path, "--silent"], { cwd: folder });
        tarballs.push(join(folder, stdout.trim()));
      }
      // The packages of other systems are in no registry here, as nothing of this release is.
      const overrides = {
        dependencies: Object.fromEntries(tarballs.map((tarball, at) => [
          at === 0 ? `@penstock/${NAME.slice("penstock-".length)}` : "penstock",
          `file:${tarball}`,
        ])),
      };
      writeFileSync(join(app, "package.json"), JSON.stringify(overrides));
      const offline = ["--offline", "--no-audit", "--no-fund", "--omit=optional"];
      await run("npm", ["install", ...offline, "--silent"], { cwd: app });
      const { stdout } = await run("npx", ["--no-install", "penstock", "--version"], { cwd: app });
      assert.equal(stdout, VERSION);
      // The launcher passes the exit code on, and signals: the smoke test ends it by SIGTERM.
      assert.equal(
        (await outcome(join(app, "node_modules/.bin/penstock"), ["--nonsense"])).code,
        2,
      );
      const smoke = await outcome("sh", [
        join(ROOT, "scripts/smoke.sh"),
        join(app, "node_modules/.bin/penstock"),
      ]);
      assert.equal(smoke.code, 0, smoke.output);
    });
  },
});

testWith(["systemd-analyze"], "systemd accepts the unit, and exposes little of it", async () => {
  const unit = join(ROOT, "scripts/penstock.service");
  const { output } = await outcome("systemd-analyze", ["verify", unit]);
  const others = output.split("\n").filter((line) =>
    line.startsWith("penstock.service") &&
    !line.includes("/usr/local/bin/penstock is not executable")
  );
  assert.deepEqual(others, []);
  const security = await outcome("systemd-analyze", ["security", "--offline=true", unit]);
  const exposure = /exposure level for penstock.service: ([\d.]+)/.exec(security.output)?.[1];
  assert.ok(Number(exposure) < 1.5, `exposure ${exposure}`);
});

testWith(["shellcheck"], "the shell scripts are sound", async () => {
  const scripts = ["scripts/install.sh", "scripts/smoke.sh"].map((path) => join(ROOT, path));
  const { code, output } = await outcome("shellcheck", scripts);
  assert.equal(code, 0, output);
});
