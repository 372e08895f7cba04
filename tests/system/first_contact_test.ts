/** What a first user gets wrong, and what is said about it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../support/server.ts";
import { penstock } from "./processes.ts";

/** Nothing listens at port 1. */
const NOBODY = "postgres://user:s3cr3t@127.0.0.1:1/nowhere";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "penstock-first-contact-"));
  try {
    await body(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The last line of standard error, which says why the process ended. */
function fatalOf(stderr: string): Record<string, unknown> {
  return JSON.parse(stderr.trim().split("\n").at(-1)!);
}

Deno.test("--data-dir wins over DATABASE_URL in the environment, and the start says which and why", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const server = await startServer({ database: { dataDir }, env: { DATABASE_URL: NOBODY } });
    const chosen = server.logs.map((line) => JSON.parse(line))
      .find(({ event }) => event === "database_chosen");
    await server.stop();
    assert.ok(chosen !== undefined, server.logs.join("\n"));
    const { database, source, ignored, message } = chosen;
    assert.deepEqual([database, source, ignored], [dataDir, "--data-dir", "DATABASE_URL"]);
    assert.ok(message.includes(dataDir) && /--data-dir.*DATABASE_URL/.test(message), message);
    assert.doesNotMatch(server.logs.join("\n"), /s3cr3t/);
  });
});

Deno.test("DATABASE_URL is used, and named, where no flag says otherwise", async () => {
  const args = ["--port", "0", "--log-format", "json", "--database-timeout", "1s"];
  const { code, stdout, stderr } = await penstock(args, { DATABASE_URL: NOBODY });
  assert.equal(code, 1);
  assert.match(stdout, /"database_chosen".*127\.0\.0\.1:1\/nowhere.*DATABASE_URL/);
  const { message } = fatalOf(stderr);
  assert.match(String(message), /PostgreSQL at 127\.0\.0\.1:1 refuses connections/);
  assert.doesNotMatch(stdout + stderr, /ECONNREFUSED.*ECONNREFUSED|s3cr3t/);
});

Deno.test("a port that is taken is found before the database is made", async () => {
  await withFolder(async (folder) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const dataDir = join(folder, "data");
    const ended = await penstock(["--port", String(port), "--data-dir", dataDir]);
    taken.close();
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, new RegExp(`127.0.0.1 port ${port}.*in use`));
    assert.equal(fs.existsSync(dataDir), false, "no folder is left behind");
  });
});

Deno.test("a failed start is one line in the format of the log", async () => {
  await withFolder(async (folder) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const args = ["--port", String(port), "--data-dir", join(folder, "data"), "--log-format"];
    const [json, text] = [await penstock([...args, "json"]), await penstock([...args, "text"])];
    taken.close();
    assert.equal(json.stderr.trim().split("\n").length, 1);
    const line = fatalOf(json.stderr);
    assert.deepEqual([line.event, line.level], ["failed", "fatal"]);
    assert.ok(!Number.isNaN(Date.parse(String(line.time))));
    assert.match(text.stderr, /^\d\d:\d\d:\d\d\.\d{3} FATAL cannot listen on .*\n$/i);
  });
});

Deno.test("settings that are refused are said in the format of the log too", async () => {
  const { code, stderr } = await penstock(["--port", "x", "--log-format", "json"]);
  assert.equal(code, 2);
  assert.match(String(fatalOf(stderr).message), /--port: "x" is not a whole number/);
});

Deno.test("a connection string as the data folder is refused without its password", async () => {
  for (const url of ["postgres://user:s3cr3t@db/x", "mysql://user:s3cr3t@db/x"]) {
    for (
      const [args, environment] of [[["--data-dir", url], {}], [[], { PENSTOCK_DATA_DIR: url }]]
    ) {
      const ended = await penstock(args as string[], environment as Record<string, string>);
      assert.equal(ended.code, 2);
      assert.match(ended.stderr, /--database-url/);
      assert.doesNotMatch(ended.stdout + ended.stderr, /s3cr3t/);
    }
  }
});

Deno.test("unknown flags are named, all of them, each with the nearest known one", async () => {
  const { code, stderr } = await penstock(["--data-dri", "/x", "--prot=1", "--frobnicate"]);
  assert.equal(code, 2);
  assert.match(stderr, /--data-dri: did you mean --data-dir\?/);
  assert.match(stderr, /--prot: did you mean --port\?/);
  assert.match(stderr, /--frobnicate/);
  assert.match(stderr, /--help/);
});

Deno.test("variables that are no settings are warned of by name, and their values are not said", async () => {
  await withFolder(async (folder) => {
    const server = await startServer({
      database: { dataDir: join(folder, "data") },
      env: { PENSTOCK_PROT: "s3cr3t", PENSTOCK_QUUX_FROB: "s3cr3t", PENSTOCK_URL: "http://h/x" },
    });
    const warned = server.logs.map((line) => JSON.parse(line))
      .filter(({ event }) => event === "unknown_variable")
      // Those of the tests themselves are inherited, and warned of as well.
      .filter(({ variable }) => !variable.startsWith("PENSTOCK_TEST_"));
    await server.stop();
    assert.deepEqual(warned.map(({ variable, level }) => [variable, level]), [
      ["PENSTOCK_PROT", "warning"],
      ["PENSTOCK_QUUX_FROB", "warning"],
    ]);
    assert.match(warned[0].message, /did you mean PENSTOCK_PORT\?/);
    assert.doesNotMatch(server.logs.join("\n"), /s3cr3t/);
  });
});

Deno.test("penstock version and -v print the version", async () => {
  const expected = await penstock(["--version"]);
  assert.match(expected.stdout, /^penstock \d+\.\d+\.\d+\n$/);
  for (const args of [["version"], ["-v"]]) assert.deepEqual(await penstock(args), expected);
});

Deno.test("penstock migrate and keys rotate make no database", async () => {
  await withFolder(async (folder) => {
    for (const args of [["migrate"], ["keys", "rotate"]]) {
      for (const named of [[], ["--data-dir", join(folder, "data")]]) {
        const environment = { HOME: folder, XDG_DATA_HOME: "", LOCALAPPDATA: folder };
        const { code, stderr } = await penstock([...args, ...named], environment);
        assert.equal(code, 1, `${args.join(" ")}: ${stderr}`);
        assert.match(stderr, /no database in .*--database-url/);
      }
    }
    assert.deepEqual(fs.readdirSync(folder).filter((name) => !name.startsWith(".cache")), []);
  });
});
