/** `penstock check` on healthy systems, and on real ones that are broken in one way each. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { checkTlsFiles } from "../../../src/cli/check/machine.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { freshDatabase, startOwnPostgres, testDatabaseUrl } from "../../support/postgres.ts";
import { HAS_PGBOUNCER, startPgBouncer } from "../../system/pgbouncer.ts";
import { freePort } from "../../system/support.ts";
import { check, expectFinding } from "./support.ts";

type Sql = ReturnType<typeof postgres>;

async function asAdmin<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** A database with our schema in it. */
async function withSchema(use: (url: string) => Promise<void>): Promise<void> {
  const fresh = await freshDatabase();
  try {
    const database = await openPostgres({ url: fresh.url, connections: 2, timeoutMs: 5000 });
    await migrate(database);
    await database.close();
    await use(fresh.url);
  } finally {
    await fresh.drop();
  }
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-check-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`penstock check finds nothing wrong with a healthy system, on ${runtime}`, async () => {
    await withSchema(async (url) => {
      const { code, result, checks } = await check(["--database-url", url], { runtime });
      assert.deepEqual(checks.filter(({ state }) => state !== "ok"), []);
      assert.deepEqual([code, result], [0, "ok"]);
      const names = new Set(checks.map((finding) => finding.check));
      for (
        const name of [
          ...["configuration", "port", "files", "database", "version", "encoding", "primary"],
          ...["permissions", "durability", "connections", "pooler", "schema", "listen", "clock"],
          ...["disk", "webhooks"],
        ]
      ) assert.ok(names.has(name), name);
    });
  });
}

Deno.test("penstock check of the embedded database makes nothing", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const { code, checks } = await check(["--data-dir", dataDir]);
    assert.equal(code, 0);
    assert.match(checks.at(-1)!.message, /the first start makes it/);
    assert.throws(() => rmSync(dataDir), /ENOENT|No such file/);
  });
});

Deno.test("penstock check: settings that cannot be read", async () => {
  const checked = await check(["--workers", "many"]);
  assert.equal(checked.code, 2);
  assert.match(checked.of("configuration").message, /^--workers: /);
});

Deno.test("penstock check: a variable that is no setting", async () => {
  const checked = await check([], { env: { PENSTOCK_PROT: "1", PENSTOCK_DATA_DIR: "/nowhere/x" } });
  const fix = /did you mean PENSTOCK_PORT/;
  expectFinding(checked, "configuration", { state: "warning", message: /PENSTOCK_PROT/, fix });
});

Deno.test("penstock check: a port that is taken", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const checked = await check([`--port=${port}`, "--data-dir=/nowhere/x"]);
  server.close();
  expectFinding(checked, "port", {
    state: "failure",
    message: new RegExp(`port ${port}: it is in use`),
    fix: /stop what listens there/,
  });
});

Deno.test("penstock check: a low file limit", async () => {
  const few = await check(["--data-dir=/nowhere/x"], { openFiles: 150 });
  const fix = /LimitNOFILE=/;
  expectFinding(few, "files", { state: "failure", message: /^150 files may be open/, fix });
  const some = await check(["--data-dir=/nowhere/x", "--max-followers=5000"], { openFiles: 1024 });
  expectFinding(some, "files", { state: "warning", message: /about 916 connections fit/, fix });
});

Deno.test("penstock check: a PostgreSQL that is not there, and a wrong password", async () => {
  const port = await freePort();
  const away = await check([`--database-url=postgres://u:sEcReT@127.0.0.1:${port}/d`]);
  assert.doesNotMatch(JSON.stringify(away.checks), /sEcReT/);
  expectFinding(away, "database", {
    state: "failure",
    message: /refuses connections/,
    fix: /start PostgreSQL there/,
  });
});

Deno.test("penstock check: a database that does not exist", async () => {
  const url = new URL(await testDatabaseUrl());
  url.pathname = "/missing";
  expectFinding(await check(["--database-url", url.href]), "database", {
    state: "failure",
    message: /database "missing" does not exist/,
    fix: /CREATE DATABASE/,
  });
});

Deno.test("penstock check: a wrong password, and fsync off", async () => {
  const server = await startOwnPostgres();
  try {
    await asAdmin(server.url, async (sql) => {
      await sql.unsafe("create role guarded login superuser password 'right'");
      const [row] = await sql.unsafe<{ file: string }[]>(
        "select current_setting('hba_file') as file",
      );
      writeFileSync(
        row!.file,
        "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
      );
      await sql.unsafe("alter system set fsync = off");
      await sql.unsafe("select pg_reload_conf()");
    });
    const url = new URL(server.url);
    [url.username, url.password] = ["guarded", "wrong"];
    const wrong = await check(["--database-url", url.href]);
    assert.doesNotMatch(JSON.stringify(wrong.checks), /wrong/);
    expectFinding(wrong, "database", {
      state: "failure",
      message: /password authentication failed for user "guarded"/,
      fix: /correct the password/,
    });
    url.password = "right";
    expectFinding(await check(["--database-url", url.href]), "durability", {
      state: "warning",
      message: /^fsync is off: a crash of the machine can lose/,
      fix: /ALTER SYSTEM SET fsync = on/,
    });
  } finally {
    await server.stop();
  }
});

Deno.test("penstock check: a database in SQL_ASCII", async () => {
  const admin = await testDatabaseUrl();
  const name = `ascii_${crypto.randomUUID().slice(0, 8)}`;
  const how = "encoding 'SQL_ASCII' locale 'C' locale_provider libc template template0";
  await asAdmin(admin, (sql) => sql.unsafe(`create database ${name} ${how}`));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  try {
    expectFinding(await check(["--database-url", url.href]), "encoding", {
      state: "failure",
      message: /has encoding SQL_ASCII/,
      fix: /ENCODING 'UTF8' TEMPLATE template0/,
    });
  } finally {
    await asAdmin(admin, (sql) => sql.unsafe(`drop database ${name} with (force)`));
  }
});

Deno.test("penstock check: a role without permissions", async () => {
  await withSchema(async (admin) => {
    const role = `role_${crypto.randomUUID().slice(0, 8)}`;
    await asAdmin(admin, (sql) => sql.unsafe(`create role ${role} login`));
    const url = new URL(admin);
    url.username = role;
    try {
      expectFinding(await check(["--database-url", url.href]), "permissions", {
        state: "failure",
        message: new RegExp(`${role} may not use the schema penstock`),
        fix: /^GRANT USAGE ON SCHEMA penstock/,
      });
    } finally {
      await asAdmin(admin, (sql) => sql.unsafe(`drop role ${role}`));
    }
  });
});

Deno.test("penstock check: a schema of a newer Penstock", async () => {
  await withSchema(async (url) => {
    // Steps are read in the order of their numbers, which have gaps: this one comes last.
    const index = 9999;
    await asAdmin(url, (sql) =>
      sql.unsafe(
        `insert into penstock.migrations (index, name, hash) values (${index}, '9999_future', 'x')`,
      ));
    expectFinding(await check(["--database-url", url]), "schema", {
      state: "failure",
      message: /migrated by a newer version/,
      fix: /run the newer Penstock/,
    });
  });
});

Deno.test("penstock check: a clock that is wrong", async () => {
  await withSchema(async (url) => {
    const preload = join(import.meta.dirname!, "../../system/wrong_clock.ts");
    const env = { CLOCK_SHIFT_MS: "90000" };
    expectFinding(await check(["--database-url", url], { preload, env }), "clock", {
      state: "warning",
      message: /clock is (89|90)\.\d s ahead of the database server's/,
      fix: /NTP/,
    });
  });
});

Deno.test("penstock check: a webhook that nothing listens for", async () => {
  await withSchema(async (url) => {
    const port = await freePort();
    await asAdmin(url, (sql) =>
      sql.unsafe(
        `insert into penstock.subscriptions (name, type, webhook_url, lease_ttl_ms, config_hash)
        values ('mailer', 'webhook', 'http://127.0.0.1:${port}/secret-path', 30000, 'x')`,
      ));
    const args = ["--database-url", url];
    const refused = await check([...args, "--webhook-allow=127.0.0.1"]);
    assert.doesNotMatch(JSON.stringify(refused.checks), /secret-path/);
    expectFinding(refused, "webhooks", {
      state: "warning",
      message: new RegExp(`http://127.0.0.1:${port}, of subscription mailer, cannot be reached`),
      fix: /start the receiver/,
    });
    const forbidden = await check(args);
    assert.match(forbidden.of("webhooks").message, /--webhook-allow does not name it/);
  });
});

Deno.test({
  name: "penstock check: PgBouncer in transaction mode",
  ignore: !HAS_PGBOUNCER,
  fn: async () => {
    await withSchema(async (direct) => {
      const pooler = await startPgBouncer(direct);
      try {
        const args = ["--database-url", pooler.url];
        const fix = /--listen-url/;
        expectFinding(await check(args), "pooler", {
          state: "warning",
          message: /by polling/,
          fix,
        });
        const deaf = await check([...args, "--wakeups=listen"]);
        expectFinding(deaf, "listen", { state: "failure", message: /is not heard/, fix });
        const mended = await check([...args, "--listen-url", direct]);
        assert.equal(mended.result, "ok", JSON.stringify(mended.checks));
      } finally {
        await pooler.stop();
      }
    });
  },
});

/** Only root may mount. */
const mounts = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;

Deno.test({
  name: "penstock check: a disk that is nearly full",
  ignore: !mounts,
  fn: async () => {
    await withFolder(async (folder) => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "none", folder]);
      try {
        expectFinding(await check(["--data-dir", join(folder, "data")]), "disk", {
          state: "failure",
          message: /^only 8 MiB are free/,
          fix: /make room/,
        });
      } finally {
        execFileSync("umount", [folder]);
      }
    });
  },
});

const openssl = spawnSync("openssl", ["version"]).status === 0;

Deno.test({
  name: "penstock check: TLS files that are none, do not belong together, or have ended",
  ignore: !openssl,
  fn: async () => {
    await withFolder((folder) => {
      const make = (name: string) => {
        const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
        const line = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        const rest = ["-nodes", "-days", "30", "-subj", `/CN=${name}`];
        execFileSync("openssl", [...line, "-keyout", keyFile, "-out", certFile, ...rest], {
          stdio: "pipe",
        });
        return { keyFile, certFile };
      };
      const [one, other] = [make("one"), make("other")];
      const now = Date.now();
      const day = 86_400_000;
      assert.equal(checkTlsFiles(one, now).state, "ok");
      const stateAndWords = (files: typeof one, at: number) => {
        const { state, message } = checkTlsFiles(files, at);
        return `${state}: ${message}`;
      };
      assert.match(stateAndWords(one, now + 20 * day), /^warning: .* ends in 9 d/);
      assert.match(stateAndWords(one, now + 31 * day), /^failure: the certificate ended/);
      assert.match(stateAndWords(one, now - day), /^failure: the certificate begins/);
      assert.match(
        stateAndWords({ ...one, keyFile: other.keyFile }, now),
        /^failure: the key .* not that/,
      );
      assert.match(
        stateAndWords({ ...one, keyFile: one.certFile }, now),
        /^failure: .*no private key/,
      );
      assert.match(
        stateAndWords({ ...one, certFile: one.keyFile }, now),
        /^failure: .*no certificate/,
      );
      return Promise.resolve();
    });
  },
});

Deno.test("penstock check looks at the files that --tls-cert and --tls-key name", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "none.pem");
    writeFileSync(file, "no certificate");
    const checked = await check(["--data-dir=/nowhere/x", `--tls-cert=${file}`, "--tls-key=k"]);
    expectFinding(checked, "tls", {
      state: "failure",
      message: /none\.pem is no certificate/,
      fix: /give --tls-cert a PEM file/,
    });
  });
});

Deno.test("penstock check: an admin port that is taken", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const checked = await check([`--admin-port=${port}`, "--data-dir=/nowhere/x"]);
  server.close();
  expectFinding(checked, "port", {
    state: "failure",
    message: new RegExp(`port ${port}: it is in use`),
    fix: /--admin-port/,
  });
});
