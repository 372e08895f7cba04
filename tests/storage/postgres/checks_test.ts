/** What the start finds out about a PostgreSQL, on real ones that are set up wrongly. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { DatabaseUnavailable } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { DatabaseRefused, refuseUnusable } from "../../../src/storage/postgres/checks.ts";
import { askFacts } from "../../../src/storage/postgres/facts.ts";
import type { TelemetryEvent } from "../../../src/telemetry/events.ts";
import { freshDatabase, startOwnPostgres, testDatabaseUrl } from "../../support/postgres.ts";

type Sql = ReturnType<typeof postgres>;

async function asAdmin<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** A database, and a role that is no superuser and owns nothing. */
async function withRole(
  use: (parts: { admin: string; url: string; role: string; database: string }) => Promise<void>,
): Promise<void> {
  const fresh = await freshDatabase();
  const role = `role_${crypto.randomUUID().slice(0, 8)}`;
  await asAdmin(fresh.url, (sql) => sql.unsafe(`create role ${role} login`));
  const url = new URL(fresh.url);
  url.username = role;
  try {
    await use({ admin: fresh.url, url: url.href, role, database: url.pathname.slice(1) });
  } finally {
    await fresh.drop();
    await asAdmin(await testDatabaseUrl(), (sql) => sql.unsafe(`drop role ${role}`));
  }
}

interface Opened {
  readonly events: readonly TelemetryEvent[];
  warning(setting: string): string | undefined;
  show(setting: string): Promise<string>;
}

async function whileOpen(
  url: string,
  use: (opened: Opened) => Promise<void>,
  connections = 2,
): Promise<void> {
  const events: TelemetryEvent[] = [];
  const report = (event: TelemetryEvent) => void events.push(event);
  const database = await openPostgres({ url, connections, timeoutMs: 5000, report });
  try {
    await use({
      events,
      warning(setting) {
        for (const event of events) {
          if (event.event === "database_warning" && event.setting === setting) return event.message;
        }
      },
      async show(setting) {
        const rows = await database.query<Record<string, string>>(`show ${setting}`);
        return rows[0]![setting]!;
      },
    });
  } finally {
    await database.close();
  }
}

/** The words of the refusal to start. */
async function refusal(url: string): Promise<string> {
  try {
    const database = await openPostgres({ url, connections: 2, timeoutMs: 5000 });
    await database.close();
  } catch (error) {
    assert.ok(error instanceof DatabaseRefused, String(error));
    return error.message;
  }
  assert.fail("the database was taken");
}

Deno.test("a sound PostgreSQL gives no warning, and what it is set to is reported", async () => {
  const fresh = await freshDatabase();
  await whileOpen(fresh.url, ({ events }) => {
    assert.deepEqual(events.map((event) => event.event), ["database_checked", "wakeups"]);
    const checked = events[0]!;
    assert.deepEqual({ ...checked, version: "" }, {
      event: "database_checked",
      version: "",
      encoding: "UTF8",
      fsync: true,
      fullPageWrites: true,
      synchronousCommit: "on",
      pooled: false,
    });
    return Promise.resolve();
  });
  await fresh.drop();
});

Deno.test("fsync and full_page_writes that are off are warned of", async () => {
  const own = await startOwnPostgres();
  try {
    await asAdmin(own.url, async (sql) => {
      await sql.unsafe("alter system set fsync = off");
      await sql.unsafe("alter system set full_page_writes = off");
      await sql.unsafe("select pg_reload_conf()");
    });
    // The reload is a signal: sessions that begin after the postmaster has seen it have it.
    for (let tries = 0;; tries++) {
      const off = await asAdmin(own.url, async (sql) => (await sql`show full_page_writes`)[0]!);
      if (off.full_page_writes === "off") break;
      assert.ok(tries < 500, "the settings were not taken");
    }
    await whileOpen(own.url, ({ warning, events }) => {
      assert.match(warning("fsync")!, /fsync is off/);
      assert.match(warning("full_page_writes")!, /full_page_writes is off/);
      const checked = events.find((event) => event.event === "database_checked");
      assert.equal(checked?.fsync, false);
      assert.equal(checked?.fullPageWrites, false);
      return Promise.resolve();
    });
  } finally {
    await own.stop();
  }
});

for (const lax of ["off", "local"]) {
  Deno.test(`synchronous_commit = ${lax}, of role or database, is turned on for our sessions`, async () => {
    await withRole(async ({ admin, url, role, database }) => {
      await asAdmin(admin, async (sql) => {
        await sql.unsafe(`grant create on database ${database} to ${role}`);
        await sql.unsafe(`alter role ${role} set synchronous_commit = ${lax}`);
      });
      const expectOn = async ({ warning, show }: Opened) => {
        assert.match(warning("synchronous_commit")!, new RegExp(`is ${lax} by default`));
        assert.equal(await show("synchronous_commit"), "on");
      };
      await whileOpen(url, expectOn);
      await asAdmin(admin, async (sql) => {
        await sql.unsafe(`alter role ${role} reset synchronous_commit`);
        await sql.unsafe(`alter database ${database} set synchronous_commit = ${lax}`);
      });
      await whileOpen(url, expectOn);
      await asAdmin(
        admin,
        (sql) => sql.unsafe(`alter database ${database} reset synchronous_commit`),
      );
      await whileOpen(`${url}?synchronous_commit=${lax}`, async ({ show }) => {
        assert.equal(await show("synchronous_commit"), "on");
      });
    });
  });
}

Deno.test("a stricter synchronous_commit is left as the operator set it", async () => {
  await withRole(async ({ admin, url, role, database }) => {
    await asAdmin(admin, async (sql) => {
      await sql.unsafe(`grant create on database ${database} to ${role}`);
      await sql.unsafe(`alter role ${role} set synchronous_commit = remote_apply`);
    });
    await whileOpen(url, async ({ warning, show }) => {
      assert.equal(warning("synchronous_commit"), undefined);
      assert.equal(await show("synchronous_commit"), "remote_apply");
    });
  });
});

Deno.test("a database that is not UTF8 is refused", async () => {
  const server = await testDatabaseUrl();
  const name = `penstock_test_${crypto.randomUUID().slice(0, 8)}`;
  await asAdmin(server, (sql) =>
    sql.unsafe(
      `create database ${name} encoding 'LATIN1' locale 'C' locale_provider libc template template0`,
    ));
  const url = new URL(server);
  url.pathname = `/${name}`;
  try {
    assert.match(await refusal(url.href), /encoding LATIN1, and Penstock needs UTF8/);
  } finally {
    await asAdmin(server, (sql) => sql.unsafe(`drop database ${name} with (force)`));
  }
});

// The oldest PostgreSQL that is refused cannot be had in these tests; its number can.
Deno.test("a PostgreSQL older than 14 is refused, one of 14 is not", async () => {
  const facts = await asAdmin(await testDatabaseUrl(), (sql) => askFacts(sql));
  refuseUnusable({ ...facts, version: "14.0", versionNumber: 140_000 });
  assert.throws(
    () => refuseUnusable({ ...facts, version: "13.22", versionNumber: 130_022 }),
    /PostgreSQL 13\.22 is too old: Penstock needs 14 or newer/,
  );
});

Deno.test("read-only sessions are waited for a while: until they may write", async () => {
  const fresh = await freshDatabase();
  const name = new URL(fresh.url).pathname.slice(1);
  const alter = (value: string) =>
    asAdmin(fresh.url, async (sql) => {
      await sql.unsafe("set default_transaction_read_only = off");
      await sql.unsafe(`alter database ${name} set default_transaction_read_only = ${value}`);
    });
  await alter("on");
  let fixed: Promise<void> | undefined;
  const database = await openPostgres({
    url: fresh.url,
    connections: 2,
    timeoutMs: 5000,
    report(event) {
      if (event.event !== "database_waiting") return;
      assert.match(event.reason, /default_transaction_read_only is on/);
      fixed ??= alter("off");
    },
  });
  assert.ok(fixed, "it did not wait");
  await fixed;
  await database.close();
  await fresh.drop();
});

Deno.test("what a role lacks is named, until it lacks nothing", async () => {
  await withRole(async ({ admin, url, role, database }) => {
    assert.match(
      await refusal(url),
      new RegExp(`may not create the schema penstock.*GRANT CREATE ON DATABASE ${database}`),
    );
    await whileOpen(admin, () => Promise.resolve());
    const owner = await openPostgres({ url: admin, connections: 2, timeoutMs: 5000 });
    await migrate(owner);
    await owner.close();
    assert.match(await refusal(url), new RegExp(`GRANT USAGE ON SCHEMA penstock TO ${role}`));
    await asAdmin(admin, (sql) => sql.unsafe(`grant usage on schema penstock to ${role}`));
    assert.match(await refusal(url), /which has to be migrated: run penstock migrate/);
    await asAdmin(
      admin,
      (sql) => sql.unsafe(`grant select on penstock.migrations, penstock.functions to ${role}`),
    );
    assert.match(await refusal(url), /lacks .*INSERT on penstock\.segments/);
    await asAdmin(admin, (sql) =>
      sql.unsafe(
        `grant select, insert, update, delete on all tables in schema penstock to ${role}`,
      ));
    await whileOpen(url, () => Promise.resolve());
  });
});

Deno.test("connections that the role's or the database's limit has no room for are warned of", async () => {
  await withRole(async ({ admin, url, role, database }) => {
    await asAdmin(admin, async (sql) => {
      await sql.unsafe(`grant create on database ${database} to ${role}`);
      await sql.unsafe(`alter role ${role} connection limit 3`);
    });
    await whileOpen(url, ({ warning }) => {
      assert.match(
        warning("rolconnlimit")!,
        new RegExp(`may open 9 connections, and role ${role} has CONNECTION LIMIT 3`),
      );
      return Promise.resolve();
    }, 8);
    await asAdmin(admin, async (sql) => {
      await sql.unsafe(`alter role ${role} connection limit -1`);
      await sql.unsafe(`alter database ${database} connection limit 5`);
    });
    await whileOpen(url, ({ warning }) => {
      assert.match(warning("datconnlimit")!, /has CONNECTION LIMIT 5, of which 0 are in use/);
      return Promise.resolve();
    }, 8);
    await asAdmin(admin, (sql) => sql.unsafe(`alter database ${database} connection limit -1`));
    await whileOpen(url, ({ warning }) => {
      assert.match(warning("max_connections")!, /max_connections is \d+, \d+ of them reserved/);
      return Promise.resolve();
    }, 999);
    await whileOpen(url, ({ events }) => {
      assert.ok(events.every((event) => event.event !== "database_warning"));
      return Promise.resolve();
    }, 8);
  });
});

Deno.test("a server that is not there is no refusal of ours", async () => {
  await assert.rejects(
    openPostgres({ url: "postgres://u@127.0.0.1:1/db", connections: 2, timeoutMs: 1000 }),
    DatabaseUnavailable,
  );
});
