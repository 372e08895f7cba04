/** What speaks PostgreSQL's protocol and is none is refused: a server that greets as CockroachDB does. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { DatabaseRefused, refuseProduct } from "../../../src/storage/postgres/checks.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";

const COCKROACH = "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15, go1.22.2)";

Deno.test("refuseProduct takes PostgreSQL of 14 or newer, and names what else there is", () => {
  const refusal = (banner: string, versionNumber: number | null) => {
    try {
      refuseProduct({ banner, versionNumber });
      return null;
    } catch (error) {
      assert.ok(error instanceof DatabaseRefused);
      return error.message;
    }
  };
  assert.equal(refusal("PostgreSQL 14.0 on x86_64-pc-linux-gnu, compiled by gcc", 140_000), null);
  assert.equal(refusal("PostgreSQL 18.4 (Debian 18.4-1) on aarch64", 180_004), null);
  assert.match(refusal(COCKROACH, 130_000)!, /^the server is CockroachDB, whose advisory locks/);
  assert.match(refusal("PostgreSQL 11.2-YB-2.21.0.0-b0 on x86_64", 110_002)!, /is YugabyteDB/);
  assert.match(refusal("PostgreSQL 8.0.2 on i686, Redshift 1.0.1", 80_002)!, /is Redshift/);
  assert.equal(
    refusal("PostgreSQL 13.23 on x86_64-pc-linux-gnu", 130_023),
    "PostgreSQL 13.23 is too old: Penstock needs 14 or newer",
  );
  assert.match(refusal("Something else", null)!, /says that it is "Something else"/);
});

function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const READY = message("Z", Buffer.from("I"));
const int16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

/** One row of text columns; null: NULL. */
function row(columns: Readonly<Record<string, string | null>>): Buffer {
  const names = Object.keys(columns);
  // Of each column: its table, number, type (16: boolean, 25: text), length, modifier and format.
  const fields = Object.entries(columns).map(([name, value]) => {
    const type = value === "f" ? 16 : 25;
    const kind = [0, 0, 0, 0, 0, 0, 0, 0, 0, type, 255, 255, 255, 255, 255, 255, 0, 0];
    return Buffer.concat([Buffer.from(`${name}\0`), Buffer.from(kind)]);
  });
  const values = Object.values(columns).map((value) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : value.length);
    return Buffer.concat([length, Buffer.from(value ?? "")]);
  });
  return Buffer.concat([
    message("T", Buffer.concat([int16(names.length), ...fields])),
    message("D", Buffer.concat([int16(names.length), ...values])),
    message("C", Buffer.from("SELECT 1\0")),
    READY,
  ]);
}

/** As CockroachDB answers the statements of a start: it knows no WAL. */
function answer(statement: string): Buffer {
  if (statement.includes("pg_walfile_name")) {
    const fields = "SERROR\0C42883\0Munknown function: pg_walfile_name()\0\0";
    return Buffer.concat([message("E", Buffer.from(fields)), READY]);
  }
  if (statement.includes("version()")) return row({ banner: COCKROACH, number: "130000" });
  return row({ recovering: "f", read_only: "f", timeline: null });
}

function serve(socket: Socket): void {
  let pending = Buffer.alloc(0);
  let greeted = false;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (true) {
      const header = greeted ? 5 : 4;
      if (pending.length < header) return;
      const length = pending.readInt32BE(header - 4) + header - 4;
      if (pending.length < length) return;
      const whole = pending.subarray(0, length);
      pending = pending.subarray(length);
      if (!greeted) {
        greeted = true;
        socket.write(Buffer.concat([
          message("R", Buffer.alloc(4)),
          message("K", Buffer.from([0, 0, 0, 1, 0, 0, 0, 2])),
          READY,
        ]));
      } else if (whole[0] === 0x51) {
        socket.write(answer(whole.subarray(5, -1).toString()));
      }
    }
  });
}

Deno.test("a server that greets as CockroachDB is refused at the start, with a sentence", async () => {
  const server = createServer(serve).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await assert.rejects(
      openPostgres({
        url: `postgres://root@127.0.0.1:${port}/defaultdb`,
        connections: 2,
        timeoutMs: 5000,
      }),
      (error: Error) => {
        assert.ok(error instanceof DatabaseRefused, String(error));
        assert.match(error.message, /^the server is CockroachDB, .*: use PostgreSQL 14 or newer$/);
        return true;
      },
    );
  } finally {
    server.close();
  }
});
