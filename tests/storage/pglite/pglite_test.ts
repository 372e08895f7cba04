/** The embedded database against a real folder, and against processes that are really killed. */
import { yieldToEventLoop } from "../../../src/lib/event_loop.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { DataDirBusy } from "../../../src/storage/pglite/data_dir_lock.ts";
import { DatabaseUnavailable, numberArray, textArray } from "../../../src/storage/database.ts";
import { defaultDataDir, NoDataDir } from "../../../src/storage/pglite/default_data_dir.ts";
import { openPglite } from "../../../src/storage/pglite/pglite.ts";
import { Engine } from "../../../src/storage/pglite/engine.ts";
import { prepareCluster } from "../../../src/storage/pglite/cluster.ts";
import { fsyncCount } from "../../../src/storage/pglite/files.ts";
import { Maintenance } from "../../../src/storage/pglite/maintenance.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { dataDirOf, eventually, root, withDatabase } from "./support.ts";

const INSERT = "insert into public.notes values ($1, $2)";

// This file is also the process that is killed: it commits, and says so, until then.
if (process.argv[2] === "commit-until-killed") await commitUntilKilled(process.argv[3]!);

async function commitUntilKilled(dataDir: string): Promise<void> {
  const database = await openPglite({ dataDir });
  for (let number = 1;; number++) {
    await database.query(INSERT, [number, new Uint8Array(100)]);
    console.log(number);
    await yieldToEventLoop();
  }
}

Deno.test("openPglite says what it is and where", async () => {
  await withDatabase("description", async (database, dataDir) => {
    assert.equal(database.kind, "embedded");
    assert.equal(database.concurrency, 1);
    assert.match(database.description, /^embedded PostgreSQL 18\.\d+ in \//);
    assert(database.description.endsWith(dataDir));
    assert.deepEqual(await migrate(database), { applied: [] });
    await yieldToEventLoop();
  });
});

Deno.test("query carries values both ways", async () => {
  await withDatabase("values", async (database) => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => at * 7 % 256);
    const [row] = await database.query(
      `select $1::bytea as bytes, $2::int8 as big, $3::int4 as int, $4::boolean as yes,
        $5::text as text, $6::text as nothing, $7::bytea as empty, $8::float8 as float,
        '2024-01-02 03:04:05+00'::timestamptz as at, null::int8 as null_big,
        -9007199254740991::int8 as least, '{"a":[1]}'::jsonb as json`,
      [bytes, 2 ** 53 - 1, -5, true, 'é"\\\n€😀', null, new Uint8Array(), 1.5],
    );
    assert.deepEqual(row, {
      bytes,
      big: 2 ** 53 - 1,
      int: -5,
      yes: true,
      text: 'é"\\\n€😀',
      nothing: null,
      empty: new Uint8Array(),
      float: 1.5,
      at: "2024-01-02 03:04:05+00",
      null_big: null,
      least: -(2 ** 53 - 1),
      json: { a: [1] },
    });
  });
});

Deno.test("query takes arrays as text, cast or as a function's arguments", async () => {
  await withDatabase("arrays", async (database) => {
    assert.deepEqual(
      await database.query(
        "select * from unnest($1::bigint[], $2::text[], $3::boolean[]) as t(a, b, c)",
        [numberArray([1, 2n, null]), textArray(["x", 'a"\\,{}', null]), "{t,f,NULL}"],
      ),
      [{ a: 1, b: "x", c: true }, { a: 2, b: 'a"\\,{}', c: false }, { a: null, b: null, c: null }],
    );
    await database.execute(`create function public.total(given bigint[], extra bytea) returns bigint
      language sql as 'select sum(v)::bigint + length(extra) from unnest(given) v'`);
    const total = "select public.total($1, $2) as total";
    for (const expected of [13, 13]) {
      assert.deepEqual(
        await database.query(total, [numberArray([4, 6]), new Uint8Array(3)]),
        [{ total: expected }],
      );
    }
  });
});

Deno.test("query rejects with the SQLSTATE, and the next one works", async () => {
  await withDatabase("errors", async (database) => {
    await database.query(INSERT, [1, null]);
    await assert.rejects(database.query(INSERT, [1, null]), {
      code: "23505",
      constraint_name: "notes_pkey",
    });
    await assert.rejects(database.query("selec 1"), { code: "42601" });
    await assert.rejects(database.query("select $1::text", ["\0"]), { code: "22021" });
    assert.deepEqual(await database.query("select count(*) from public.notes"), [{ count: 1 }]);
  });
});

Deno.test("a transaction of drizzle keeps all other statements out, and rolls back", async () => {
  await withDatabase("transaction", async (database) => {
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const transaction = database.transaction(async (inner) => {
      await inner.execute(sql`insert into public.notes values (${1}, ${new Uint8Array([7])})`);
      entered.resolve();
      await leave.promise;
      throw new Error("no");
    });
    await entered.promise;
    const outside = database.query("select count(*) from public.notes");
    leave.resolve();
    await assert.rejects(transaction, /no/);
    assert.deepEqual(await outside, [{ count: 0 }]);
  });
});

Deno.test("a statement gives up waiting for its turn in time", async () => {
  const database = await openPglite({ dataDir: await dataDirOf("turn"), timeoutMs: 20 });
  const waited = Promise.withResolvers<void>();
  const transaction = database.transaction(() => waited.promise);
  await assert.rejects(database.query("select 1"), DatabaseUnavailable);
  waited.resolve();
  await transaction;
  assert.equal((await database.query("select 1")).length, 1);
  await database.close();
  await assert.rejects(database.query("select 1"), DatabaseUnavailable);
});

Deno.test("what was committed is there after a reopening", async () => {
  const dataDir = await dataDirOf("reopen");
  const bytes = new Uint8Array(10_000).fill(3);
  const first = await openPglite({ dataDir });
  await first.query(INSERT, [1, bytes]);
  await first.close();
  const second = await openPglite({ dataDir });
  assert.deepEqual(await second.query("select * from public.notes"), [{ number: 1, bytes }]);
  await second.close();
});

Deno.test("every commit is forced to the disk before it is acknowledged", async () => {
  await withDatabase("fsync", async (database) => {
    for (let number = 0; number < 50; number++) {
      const before = fsyncCount();
      await database.query(INSERT, [number, null]);
      assert(fsyncCount() > before, `commit ${number} was acknowledged without an fsync`);
    }
  });
});

Deno.test("a commit that could not be forced to the disk is never acknowledged", async () => {
  const events: string[] = [];
  await withDatabase("failed-fsync", async (database) => {
    await database.query(INSERT, [1, null]);
    const real = fs.fsyncSync;
    fs.fsyncSync = () => {
      throw Object.assign(new Error("the disk is gone"), { code: "EIO" });
    };
    try {
      await assert.rejects(database.query(INSERT, [2, null]), DatabaseUnavailable);
      await assert.rejects(database.query(INSERT, [3, null]), DatabaseUnavailable);
    } finally {
      fs.fsyncSync = real;
    }
    const revived = await eventually(() => database.query("select number from public.notes"));
    assert.deepEqual(revived[0], { number: 1 });
  }, ({ event }) => events.push(event));
  // It says so, once, however often it tries in vain.
  assert.deepEqual(events.slice(0, 1), ["embedded_stopped"]);
  assert.deepEqual(events.slice(-1), ["embedded_restarted"]);
});

Deno.test("maintenance vacuums the tables that want it, and only those", async () => {
  const engine = await Engine.open(join(await dataDirOf("vacuum"), "postgres"));
  const maintenance = new Maintenance((work) => Promise.try(() => work(engine)));
  const vacuumed = async () => {
    await maintenance.vacuum();
    return engine.run(
      "select relname from pg_stat_user_tables where vacuum_count > 0",
      [],
      { keep: false },
    ).reply.rows;
  };
  try {
    assert.deepEqual(await vacuumed(), []);
    engine.script(`insert into public.notes select g from generate_series(1, 3000) g;
      delete from public.notes where number > 10`);
    assert.deepEqual(await vacuumed(), [["notes"]]);
  } finally {
    await maintenance.stop();
    await engine.close();
  }
});

Deno.test("the WAL does not grow without bound", async () => {
  await withDatabase("wal", async (database, dataDir) => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    for (let number = 0; number < 2_500; number++) {
      await database.query(INSERT, [number, bytes]);
      await yieldToEventLoop();
    }
    const segments = fs.readdirSync(join(dataDir, "postgres", "pg_wal"))
      .filter((name) => /^[0-9A-F]{24}$/.test(name));
    assert(segments.length <= 9, `${segments.length} segments of 16 MiB`);
  });
});

Deno.test("a second process is refused, and a killed one leaves all it acknowledged", async () => {
  const dataDir = await dataDirOf("killed");
  const child = spawn(process.execPath, [
    "run",
    "--allow-all",
    "--no-check",
    fileURLToPath(import.meta.url),
    "commit-until-killed",
    dataDir,
  ], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let acknowledged: number;
  try {
    acknowledged = await linesOf(child, 200, async () => {
      await assert.rejects(openPglite({ dataDir }), (error) => {
        assert(error instanceof DataDirBusy);
        assert.equal(error.holder, child.pid);
        assert(error.message.includes(dataDir) && error.message.includes(String(child.pid)));
        return true;
      });
    });
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
  const database = await openPglite({ dataDir });
  const [row] = await database.query<{ count: number; last: number }>(
    "select count(*) as count, max(number) as last from public.notes",
  );
  assert(row!.last >= acknowledged, `${acknowledged} acknowledged, ${row!.last} there`);
  assert.equal(row!.count, row!.last);
  await database.close();
});

/** Reads numbers, a line each, and stops at `last`. `atFirst` runs once the first has come. */
async function linesOf(
  child: ChildProcess,
  last: number,
  atFirst: () => Promise<void>,
): Promise<number> {
  for await (const line of createInterface(child.stdout!)) {
    if (line === "1") await atFirst();
    if (Number(line) >= last) return Number(line);
  }
  throw new Error("the process ended by itself");
}

Deno.test("prepareCluster throws a half-made cluster away, and keeps a whole one", async () => {
  const dataDir = join(root, "half");
  fs.mkdirSync(join(dataDir, "postgres.new", "base"), { recursive: true });
  fs.writeFileSync(join(dataDir, "postgres.new", "PG_VERSION"), "18\n");
  const make = (folder: string) => {
    assert.deepEqual(fs.readdirSync(folder), []);
    fs.writeFileSync(join(folder, "PG_VERSION"), "18\n");
    return Promise.resolve();
  };
  const cluster = await prepareCluster(dataDir, make);
  assert.deepEqual(fs.readdirSync(dataDir), ["postgres"]);
  assert.deepEqual(fs.readdirSync(cluster), ["PG_VERSION"]);
  const again = await prepareCluster(dataDir, () => Promise.reject(new Error("made twice")));
  assert.equal(again, cluster);
});

Deno.test("defaultDataDir is the user's own folder on each system", () => {
  const home = { HOME: "/home/ada" };
  assert.equal(defaultDataDir(home, "linux"), "/home/ada/.local/share/penstock");
  assert.equal(defaultDataDir({ ...home, XDG_DATA_HOME: "/data" }, "linux"), "/data/penstock");
  for (const ignored of ["", "relative"]) {
    const env = { ...home, XDG_DATA_HOME: ignored };
    assert.equal(defaultDataDir(env, "freebsd"), "/home/ada/.local/share/penstock");
  }
  const mac = "/home/ada/Library/Application Support/penstock";
  assert.equal(defaultDataDir({ ...home, XDG_DATA_HOME: "/data" }, "darwin"), mac);
  const local = "C:\\Users\\Ada\\AppData\\Local";
  assert.equal(defaultDataDir({ LOCALAPPDATA: local }, "win32"), `${local}\\penstock`);
  assert.equal(defaultDataDir({ USERPROFILE: "C:\\Users\\Ada" }, "win32"), `${local}\\penstock`);
  for (const platform of ["linux", "darwin", "win32"]) {
    assert.throws(() => defaultDataDir({}, platform), NoDataDir);
  }
});
