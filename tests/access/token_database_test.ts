/** `penstock token` on a database: the first token turns access control on, and the last leaves it on. */
import assert from "node:assert/strict";
import { Workplace } from "../system/client_commands.ts";
import { eventually, type Kind, KINDS, withServer, withStorage } from "../system/support.ts";
import { ask } from "./support.ts";

async function inDatabase<T>(
  kind: Kind,
  use: (
    run: (line: string) => ReturnType<Workplace["shell"]>,
    database: { url: string } | {
      dataDir: string;
    },
  ) => Promise<T>,
): Promise<T> {
  return await withStorage(kind, async (database) => {
    const work = new Workplace("http://127.0.0.1:1/v1/stream");
    const where = "url" in database
      ? `--database-url '${database.url}'`
      : `--data-dir '${database.dataDir}'`;
    try {
      return await use((line) => work.shell(`penstock token ${line} ${where}`), database);
    } finally {
      work.remove();
    }
  });
}

for (const kind of KINDS) {
  Deno.test(`the first token of a database is made without a server: ${kind}`, () =>
    inDatabase(kind, async (run, database) => {
      await withServer({ database }, async (server) => {
        assert.equal((await ask(`${server.url}/v1/stream/a`, { method: "PUT" })).status, 201);
        await server.stop();
      });
      const made = await run("create --name first --rules 'read,admin:**' --expires 1h");
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /^pst_[A-Za-z0-9_-]{43}\n$/);
      const first = made.stdout.trim();
      assert.equal((await run("create --name first --rules read:a")).code, 4, "the name is taken");
      assert.match((await run("list")).stdout, /^first {2}read,admin:\*\* {2}until \d{4}-.*\n$/);

      await withServer({ database }, async (server) => {
        const url = `${server.url}/v1/stream/a`;
        assert.equal((await ask(url)).code, "UNAUTHENTICATED");
        assert.equal((await ask(url, { token: first })).status, 200);
        if (kind === "postgres") {
          // Beside a server that runs, its revocation holds within five seconds.
          assert.equal((await run("revoke first")).stdout, "first revoked\n");
          await eventually(
            5000,
            "the token is refused",
            async () => (await ask(url, { token: first })).status === 401 || undefined,
          );
        } else {
          assert.equal((await run("list")).code, 1, "a server holds the folder");
        }
        await server.stop();
      });
      if (kind === "embedded") assert.equal((await run("revoke first")).code, 0);
      assert.equal((await run("revoke first")).code, 3);
      await withServer({ database }, async (server) => {
        // Without any token left, nobody gets in, and not everybody.
        assert.equal((await ask(`${server.url}/v1/stream/a`)).code, "UNAUTHENTICATED");
        await server.stop();
      });
    }));
}
