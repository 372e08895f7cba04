/** docs/recipes/pgbouncer.md and standby.md: their configuration and statements, on real servers. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import { freshDatabase, startOwnPostgres } from "../support/postgres.ts";
import { startProgram, testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";
import { exampleOf, withValues } from "./recipes.ts";
import { eventually } from "./support.ts";

testWith(["pgbouncer"], "docs/recipes/pgbouncer.md", async () => {
  const database = await freshDatabase();
  const direct = new URL(database.url);
  const name = direct.pathname.slice(1);
  await using pooler = await startProgram("pgbouncer", {
    files: ({ port, folder }) => ({
      "userlist.txt": `"${direct.username}" "${decodeURIComponent(direct.password)}"\n`,
      "pgbouncer.ini": withValues(exampleOf("pgbouncer", "ini"), {
        "streams = host=127.0.0.1 port=5432 dbname=streams":
          `${name} = host=${direct.hostname} port=${direct.port} dbname=${name}`,
        "listen_port = 6432": `listen_port = ${port}\nunix_socket_dir =`,
        "/etc/pgbouncer/userlist.txt": `${folder}/userlist.txt`,
        // The test's PostgreSQL trusts this machine, and its role has no password.
        "scram-sha-256": "trust",
      }),
    }),
    args: () => ["pgbouncer.ini"],
  });
  const pooled = new URL(database.url);
  pooled.port = String(pooler.port);
  const server = await startServer({
    database: { url: pooled.href },
    args: ["--listen-url", database.url],
  });
  try {
    const wakeups = await server.logged((line) => line.event === "wakeups");
    assert.equal(wakeups.mode, "listen");
    const checked = await server.logged((line) => line.event === "database_checked");
    assert.equal(checked.pooled, true);
    const url = await createStream(server.url, "s", { body: "a" });
    await append(url, "b");
    assert.equal((await readAll(url)).text, "ab");
  } finally {
    await server.stop();
    await database.drop();
  }
});

Deno.test("docs/recipes/standby.md: nothing acknowledged is lost in a promotion", async () => {
  const primary = await startOwnPostgres();
  const standby = await primary.addStandby();
  const ask = async (url: string, statements: string) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    // Each on its own: ALTER SYSTEM cannot be part of a transaction.
    for (const statement of statements.split(";").map((text) => text.trim()).filter(Boolean)) {
      await sql.unsafe(statement);
    }
    await sql.end({ timeout: 1 });
  };
  await ask(primary.url, exampleOf("standby", "sql"));
  const [one, two] = [primary.url, standby].map((url) => new URL(url).host);
  const server = await startServer({
    database: { url: `postgres://penstock@${one},${two}/postgres` },
  });
  try {
    const url = await createStream(server.url, "s");
    for (let n = 0; n < 20; n++) await append(url, `${n};`);
    await primary.crash();
    await ask(standby, "SELECT pg_promote()");
    await eventually(20_000, "an append after the promotion", async () => {
      const headers = { "content-type": "text/plain" };
      const response = await fetch(url, { method: "POST", headers, body: "after" });
      await response.body?.cancel();
      return response.status === 204 || undefined;
    });
    const whole = Array.from({ length: 20 }, (_, n) => `${n};`).join("");
    assert.ok((await readAll(url)).text.startsWith(`${whole}after`));
  } finally {
    await server.kill();
    await primary.stop();
  }
});
