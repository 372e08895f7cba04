import assert from "node:assert/strict";
import postgres from "postgres";
import { openPostgres } from "../../../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../../../support/postgres.ts";

Deno.test("sessions that PostgreSQL ended fail what they were at, and no later statement", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 3, timeoutMs: 70_000 });
  stack.defer(() => database.close());
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  stack.defer(() => admin.end());
  const others = () =>
    admin<{ pid: number; active: boolean }[]>`select pid, state = 'active' as active
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
  const ask = (seconds: number) =>
    Array.from({ length: 3 }, () => database.query("select pg_sleep($1)", [seconds]));

  await Promise.all(ask(0.01));
  const cut = Promise.allSettled(ask(60));
  const busy = async () => (await others()).filter(({ active }) => active);
  while ((await busy()).length < 3);
  for (const { pid } of await others()) await admin`select pg_terminate_backend(${pid})`;
  for (const { status } of await cut) assert.equal(status, "rejected");
  for (let round = 0; round < 3; round++) await Promise.all(ask(0.01));
});
