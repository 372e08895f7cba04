/** What `Engine` takes for granted of PGlite: calls end on this thread, and a death is noticed. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { DatabaseUnavailable } from "../../../src/storage/database.ts";
import { Engine } from "../../../src/storage/pglite/engine.ts";
import { StatementError } from "../../../src/storage/pglite/replies.ts";
import { dataDirOf } from "./support.ts";

async function withEngine(test: string, work: (engine: Engine) => void): Promise<void> {
  const engine = await Engine.open(join(await dataDirOf(test), "postgres"));
  try {
    work(engine);
  } finally {
    await engine.close();
  }
}

/** The PGlite that an engine runs on. */
function serverOf(engine: Engine): PGlite {
  const { prototype } = PGlite;
  const real = prototype.execProtocolRawStream;
  let server: PGlite | undefined;
  prototype.execProtocolRawStream = function (this: PGlite, ...given) {
    server = this;
    return real.apply(this, given);
  };
  try {
    engine.script("select 1");
  } finally {
    prototype.execProtocolRawStream = real;
  }
  return server!;
}

Deno.test("a statement has run to its end when the call returns", () =>
  withEngine("engine-synchronous", (engine) => {
    engine.run("insert into public.notes values ($1, $2)", [1, null], { keep: true });
    const { reply } = engine.run("select number from public.notes", [], { keep: true });
    assert.deepEqual(reply.rows, [[1]]);
  }));

Deno.test("an ERROR is PostgreSQL's own longjmp, and the server goes on", () =>
  withEngine("engine-error", (engine) => {
    assert.throws(() => engine.run("select 1 / 0", [], { keep: false }), StatementError);
    assert.equal(engine.failure, undefined);
    assert.deepEqual(engine.run("select 1 as one", [], { keep: false }).reply.rows, [[1]]);
  }));

for (
  const name of [
    "_PostgresMainLoopOnce",
    "_PostgresSendReadyForQueryIfNecessary",
    "_pgl_pq_flush",
  ] as const
) {
  Deno.test(`PGlite calls ${name} where the engine can watch it`, () =>
    withEngine(`engine${name}`, (engine) => {
      const module = serverOf(engine).Module as unknown as Record<typeof name, () => void>;
      const watched = module[name];
      let calls = 0;
      module[name] = () => {
        calls++;
        watched();
      };
      engine.script("select 1");
      assert.ok(calls > 0);
    }));
}

Deno.test("a PANIC ends the server, and every later statement says so", () =>
  withEngine("engine-panic", (engine) => {
    const real = fs.fsyncSync;
    fs.fsyncSync = () => {
      throw Object.assign(new Error("the disk is gone"), { code: "EIO" });
    };
    try {
      const insert = () =>
        engine.run("insert into public.notes values (1, null)", [], { keep: false });
      assert.throws(insert, DatabaseUnavailable);
    } finally {
      fs.fsyncSync = real;
    }
    assert.notEqual(engine.failure, undefined);
    assert.throws(() => engine.run("select 1", [], { keep: false }), DatabaseUnavailable);
  }));
