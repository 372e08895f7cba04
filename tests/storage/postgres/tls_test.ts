/** PostgreSQL over TLS, on sockets that are ours: wanted, preferred, and verified. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { startOwnPostgres } from "../../support/postgres.ts";

const HAS_OPENSSL = spawnSync("openssl", ["version"]).status === 0;

/** Gives the server a certificate that nobody has signed but itself. */
async function turnOnTls(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [row] = await sql`show data_directory`;
  const folder = row!.data_directory as string;
  const [key, certificate] = [join(folder, "server.key"), join(folder, "server.crt")];
  const made = ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-days", "2"];
  const kind = ["-newkey", "rsa:2048", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...made], { stdio: "pipe" });
  const { uid, gid } = statSync(folder);
  for (const file of [key, certificate]) {
    chownSync(file, uid, gid);
    chmodSync(file, 0o600);
  }
  await sql.unsafe("alter system set ssl = on");
  await sql.unsafe("select pg_reload_conf()");
  await sql.end();
  // The reload is a signal: sessions that begin after the postmaster has seen it have it.
  for (let tries = 0;; tries++) {
    const again = postgres(url, { max: 1 });
    const [now] = await again`show ssl`;
    await again.end();
    if (now!.ssl === "on") return;
    assert.ok(tries < 500, "TLS was not turned on");
  }
}

Deno.test({
  name:
    "connections are encrypted where the URL says so, past an unreachable host too, and verified",
  ignore: !HAS_OPENSSL,
  async fn() {
    const own = await startOwnPostgres();
    try {
      await turnOnTls(own.url);
      const port = new URL(own.url).port;
      const at = (mode: string) =>
        `postgres://penstock@127.0.0.1:1,localhost:${port}/postgres?sslmode=${mode}`;
      for (const [mode, encrypted] of [["require", true], ["prefer", true], ["disable", false]]) {
        const url = at(String(mode));
        const database = await openPostgres({ url, connections: 2, timeoutMs: 5000 });
        const [row] = await database.query<{ ssl: boolean }>(
          "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
        );
        assert.equal(row!.ssl, encrypted, String(mode));
        // Large values go another way where they are not encrypted, both in and out.
        const bytes = new Uint8Array(3_000_000).map((_, at) => at * 31 >>> 3);
        const [sent] = await database.query("select $1::bytea as data", [bytes]);
        assert.deepEqual(sent, { data: bytes });
        const rows = await database.scan(
          "select g::bigint as position, decode(repeat('005c', 500000), 'hex') as data " +
            "from generate_series(1, $1) g",
          [3],
        );
        assert.deepEqual(rows.map(({ position }) => position), [1, 2, 3]);
        assert.ok(rows.every(({ data }) => data.length === 1e6 && data.at(-1) === 0x5c));
        await database.close();
      }
      const strict = `postgres://penstock@localhost:${port}/postgres?sslmode=verify-full`;
      await assert.rejects(
        openPostgres({ url: strict, connections: 2, timeoutMs: 2000 }),
        /self.?signed|certificate|UnknownIssuer/i,
      );
    } finally {
      await own.stop();
    }
  },
});
