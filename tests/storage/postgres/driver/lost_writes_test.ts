/**
 * `repairLostWrites`: postgres.js 3.4.9 sends nothing more on a connection that was closed between a
 * write and the turn of the event loop that sends it. When the first test fails, postgres.js has fixed it.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import postgres from "postgres";
import { settlesWithin } from "../../../../src/lib/timeout.ts";
import { repairLostWrites } from "../../../../src/storage/postgres/driver/lost_writes.ts";
import { openSocket } from "../../../../src/storage/postgres/driver/socket.ts";
import { parsePostgresUrl } from "../../../../src/storage/postgres/url.ts";
import { testDatabaseUrl } from "../../../support/postgres.ts";

/** A connection is repaired in about ten attempts, 50 ms each. */
const REPAIR_MS = 5000;

/** A socket that closes when postgres.js has gathered its greeting and not sent it. */
function closingSocket(): Socket {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() });
  let microtasks = 0;
  const step = () => ++microtasks < 50 ? queueMicrotask(step) : void socket.destroy();
  queueMicrotask(step);
  return socket as unknown as Socket;
}

/** A client whose first connection loses a write. */
async function clientThatLoses(repair: (socket: Socket) => void) {
  const { driverUrl, hosts } = parsePostgresUrl(await testDatabaseUrl());
  let connections = 0;
  const socket = async () => {
    if (connections++ === 0) return closingSocket();
    const signal = new AbortController().signal;
    const opened = await openSocket(hosts[0]!, { timeoutMs: 5000, signal, tls: false });
    repair(opened);
    return opened;
  };
  return postgres(driverUrl, { max: 1, fetch_types: false, ...({ socket } as object) });
}

Deno.test("postgres.js sends nothing on a connection that has lost a write", async () => {
  const sql = await clientThatLoses(() => {});
  const answer = sql`select 1 as one`.execute();
  answer.catch(() => {});
  assert.equal(await settlesWithin(answer, 1000), false);
  await sql.end({ timeout: 0 });
});

Deno.test("a repaired connection answers", async () => {
  const sql = await clientThatLoses(repairLostWrites);
  const answer = sql`select 1 as one`.execute();
  assert.equal(await settlesWithin(answer, REPAIR_MS), true);
  assert.deepEqual([...await answer], [{ one: 1 }]);
  await sql.end({ timeout: 0 });
});
