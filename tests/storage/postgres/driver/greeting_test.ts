/** `greetedProcessId`: the process id that a connection was greeted with is in each result. */
import assert from "node:assert/strict";
import { greetedProcessId } from "../../../../src/storage/postgres/driver/greeting.ts";
import { withClient } from "./support.ts";

Deno.test("PostgreSQL greets with the process id of the session", () =>
  withClient({}, async ({ sql }) => {
    for (const prepare of [false, true]) {
      const rows = await sql.unsafe("select pg_backend_pid() as pid", [], { prepare });
      assert.equal(greetedProcessId(rows), rows[0]!.pid);
    }
  }));
