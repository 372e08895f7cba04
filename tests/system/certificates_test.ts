/** `--tls-cert`: HTTPS with a real certificate, and another one while connections go on. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { connect } from "node:tls";
import { startServer } from "../support/server.ts";
import { freshStorage, within } from "./support.ts";

const HAS_OPENSSL = spawnSync("openssl", ["version"]).status === 0;

/** The subject that the server shows to a new connection. */
function subjectOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

/** A response whose parts are read one by one. */
function follow(url: string): Promise<{ next(): Promise<string>; end(): void }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false }, (response) => {
      const parts = response[Symbol.asyncIterator]();
      resolve({
        async next() {
          const { done, value } = await parts.next();
          assert.ok(!done, "the connection was ended");
          return String(value);
        },
        end: () => asked.destroy(),
      });
    });
    asked.once("error", reject);
    asked.end();
  });
}

function send(url: string, method: string, body = ""): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "text/plain", "content-length": body.length };
    const asked = request(url, { method, headers, rejectUnauthorized: false }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

for (const runtime of ["deno", "bun"] as const) {
  Deno.test({
    name: `${runtime}: SIGHUP renews the certificate, and what is connected stays so`,
    ignore: !HAS_OPENSSL || process.platform === "win32",
    async fn() {
      const folder = mkdtempSync(join(tmpdir(), "penstock-tls-"));
      const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
      for (const name of ["first", "second"]) {
        execFileSync("openssl", [
          ...[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
          ],
          ...["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.crt`)],
          ...["-days", "2", "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
        ], { stdio: "pipe" });
      }
      const install = (name: string) => {
        copyFileSync(join(folder, `${name}.crt`), cert);
        copyFileSync(join(folder, `${name}.key`), key);
      };
      install("first");
      const storage = await freshStorage("embedded");
      const args = ["--tls-cert", cert, "--tls-key", key];
      const node = await startServer({ runtime, database: storage.database, args });
      try {
        assert.match(node.url, /^https:/);
        const port = Number(new URL(node.url).port);
        const url = `${node.url}/v1/stream/a`;
        assert.equal(await send(url, "PUT"), 201);
        assert.equal(await subjectOf(port), "first");
        const old = spawnSync("openssl", [
          ...["s_client", "-connect", `127.0.0.1:${port}`, "-tls1_1"],
          ...["-cipher", "DEFAULT@SECLEVEL=0"],
        ], { input: "", encoding: "utf8" });
        assert.match(old.stderr + old.stdout, /alert protocol version|no peer certificate/);
        const following = await follow(`${url}?offset=now&live=sse`);
        await within(5000, "the first event", following.next());

        install("second");
        process.kill(node.process.pid!, "SIGHUP");
        await within(
          5000,
          "a reload",
          node.logged((line) => line.event === "certificate_reloaded"),
        );
        for (let round = 0; round < 10; round++) assert.equal(await subjectOf(port), "second");
        assert.equal(await send(url, "POST", "after;"), 204);
        let events = "";
        while (!events.includes("after;")) {
          events += await within(5000, "an event across the reload", following.next());
        }

        // A key that does not fit: what is served stays.
        writeFileSync(key, readFileSync(join(folder, "first.key")));
        process.kill(node.process.pid!, "SIGHUP");
        const refused = await within(
          5000,
          "a refusal",
          node.logged((line) => line.event === "certificate_refused"),
        );
        assert.match(JSON.stringify(refused), /is not the key/);
        assert.equal(await subjectOf(port), "second");
        assert.equal(await send(url, "POST", "last;"), 204);
        following.end();
      } finally {
        await node.kill();
        await storage.remove();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
}
