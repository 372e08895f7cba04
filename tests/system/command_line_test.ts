/** The command line: what it prints, what it refuses, and how it ends. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { createStream, readAll } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import { OPTIONS } from "../../src/cli/options.ts";
import { VERSION } from "../../src/version.ts";
import { penstock } from "./processes.ts";
import { expectError, expectStatus, withServer, withStorage } from "./support.ts";

Deno.test("--version and --help: the version, and every flag with its variable", async () => {
  for (const flag of ["--version", "-V"]) {
    assert.deepEqual(await penstock([flag]), {
      code: 0,
      stdout: `penstock ${VERSION}\n`,
      stderr: "",
    });
  }
  for (const flag of ["--help", "-h", "help"]) {
    const { code, stdout, stderr } = await penstock([flag]);
    assert.deepEqual([code, stderr], [0, ""]);
    for (const { flag: name, environment } of Object.values(OPTIONS)) {
      assert.ok(stdout.includes(`--${name}`), name);
      assert.ok(stdout.includes(environment), environment);
    }
    for (const word of ["serve", "migrate"]) assert.ok(stdout.includes(word), word);
  }
});

Deno.test("a host that others can reach is refused without --allow-anonymous", async () => {
  for (const host of ["0.0.0.0", "::", "[::]", "192.0.2.1", "example.org"]) {
    const { code, stdout, stderr } = await penstock(["serve", "--host", host, "--port", "0"]);
    assert.deepEqual([code, stdout], [2, ""], host);
    assert.match(stderr, /--allow-anonymous/);
  }
  await withStorage("postgres", async (database) => {
    const args = ["--host", "0.0.0.0", "--allow-anonymous"];
    await withServer({ database, args }, async ({ url }) => {
      const port = new URL(url).port;
      await expectStatus(await fetch(`http://127.0.0.1:${port}/health`), 200);
    });
  });
});

Deno.test("flags and variables that cannot be are refused, all at once, with exit code 2", async () => {
  const refused: [args: string[], named: RegExp][] = [
    [["--port", "65536"], /--port/],
    [["--port", "-1"], /port/],
    [["--port", "http"], /--port/],
    [["--port"], /port/],
    [["--portt", "1"], /portt/],
    [["--long-poll-timeout", "0"], /--long-poll-timeout/],
    [["--long-poll-timeout", "1h"], /--long-poll-timeout/],
    [["--max-append-bytes", "0"], /--max-append-bytes/],
    [["--max-append-bytes", "1TB"], /--max-append-bytes/],
    [["--database-connections", "1"], /--database-connections/],
    [["--database-url", "mysql://x"], /--database-url/],
    [["--log-format", "xml"], /--log-format/],
    [["--log-level", "loud"], /--log-level/],
    [["--host", "a b"], /--host/],
    [["--allow-anonymous=yes"], /allow-anonymous/],
    [["frobnicate"], /frobnicate/],
    [["serve", "extra"], /extra/],
    [["--port", "x", "--log-level", "y"], /--port[^]*--log-level/],
  ];
  const ended = await Promise.all(refused.map(([args]) => penstock(args)));
  ended.forEach(({ code, stdout, stderr }, at) => {
    const [args, named] = refused[at]!;
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.match(stderr, named);
    assert.match(stderr, /--help/);
  });
  const { code, stderr } = await penstock([], { PENSTOCK_PORT: "x", PENSTOCK_LOG_LEVEL: "y" });
  assert.equal(code, 2);
  assert.match(stderr, /PENSTOCK_PORT[^]*PENSTOCK_LOG_LEVEL/);
});

Deno.test("no refusal and no failure repeats a database password", async () => {
  const urls = [
    "postgres://user:s3cr3t@127.0.0.1:1/nowhere",
    "postgres://user:s3cr3t@127.0.0.1:notaport/x",
    "mysql://user:s3cr3t@localhost/x",
    "postgres://user:s3cr3t@no-such-host.invalid/x",
  ];
  for (const url of urls) {
    for (const environment of [{}, { DATABASE_URL: url }]) {
      const args = "DATABASE_URL" in environment ? [] : ["--database-url", url];
      const { code, stdout, stderr } = await penstock(
        ["serve", "--port", "0", "--database-timeout", "1s", ...args],
        environment,
      );
      assert.ok(code === 1 || code === 2, `${url}: ${code}`);
      assert.ok(stderr.length > 0, "it says why");
      assert.doesNotMatch(stdout + stderr, /s3cr3t/);
      assert.doesNotMatch(stderr, /^\s+at .*\.ts:\d+/m, "a sentence, not a stack");
    }
  }
});

Deno.test("the logs of a running server hold no database password, nor what streams hold", async () => {
  await withStorage("postgres", async (database) => {
    assert.ok("url" in database);
    const url = new URL(database.url);
    if (url.password === "") url.password = "s3cr3t-in-url"; // trust: any password will do
    const password = decodeURIComponent(url.password);
    const args = ["--log-level", "debug"];
    const server = await startServer({ database: { url: url.href }, args });
    const stream = await createStream(server.url, undefined, { body: "private-bytes" });
    await readAll(stream);
    await expectError(await fetch(`${stream}?offset=private-query`), 400);
    await server.stop();
    const written = server.logs.join("\n") + server.stderr();
    assert.match(written, /"listening"/);
    for (const secret of [password, "private-bytes"]) {
      assert.ok(!written.includes(secret), `the log holds ${secret}`);
    }
    for (const line of server.logs) JSON.parse(line);
  });
});

Deno.test("a port that is taken, and a folder that cannot be, are said in a sentence", async () => {
  await withStorage("postgres", async (database) => {
    assert.ok("url" in database);
    await withServer({ database }, async ({ url }) => {
      const { port } = new URL(url);
      const ended = await penstock(["--port", port, "--database-url", database.url]);
      assert.equal(ended.code, 1);
      assert.match(ended.stderr, /"level":"fatal".*in use/);
    });
  });
  const { code, stderr } = await penstock(["--port", "0", "--data-dir", "/proc/nowhere/data"]);
  assert.equal(code, 1);
  assert.match(stderr, /^\{.*"event":"failed".*\}\n$/);
});

Deno.test("a second server on one data folder is told who has it, and the first goes on", async () => {
  await withStorage("embedded", async (database) => {
    assert.ok("dataDir" in database);
    await withServer({ database }, async (first) => {
      const stream = await createStream(first.url, undefined, { body: "safe" });
      const second = await penstock(["--port", "0", "--data-dir", database.dataDir]);
      assert.equal(second.code, 1);
      assert.match(second.stderr, /in use by another Penstock/);
      assert.ok(second.stderr.includes(String(first.process.pid)));
      assert.equal((await readAll(stream)).text, "safe");
    });
  });
});

Deno.test("penstock migrate prepares a database, and does nothing the second time", async () => {
  await withStorage("postgres", async (database) => {
    assert.ok("url" in database);
    const args = ["migrate", "--log-format", "json", "--database-url", database.url];
    const steps = [];
    for (let times = 0; times < 2; times++) {
      const { code, stdout, stderr } = await penstock(args);
      assert.deepEqual([code, stderr], [0, ""]);
      const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
      steps.push(lines.find((line) => line.event === "migrated").steps.length);
    }
    assert.ok(steps[0] > 0);
    assert.equal(steps[1], 0);
    await withServer({ database }, async ({ url }) => {
      await createStream(url);
    });
  });
});

Deno.test("many nodes that start at once on an empty database all come up", async () => {
  await withStorage("postgres", async (database) => {
    const servers = await Promise.all([0, 1, 2, 3].map(() => startServer({ database })));
    try {
      const stream = await createStream(servers[0]!.url, "shared", { body: "x" });
      for (const { url } of servers) {
        assert.equal((await readAll(url + new URL(stream).pathname)).text, "x");
      }
    } finally {
      await Promise.all(servers.map((server) => server.kill()));
    }
  });
});

Deno.test("a database that a newer Penstock has migrated is refused and left alone", async () => {
  await withStorage("postgres", async (database) => {
    assert.ok("url" in database);
    const url = ["--database-url", database.url];
    assert.equal((await penstock(["migrate", ...url])).code, 0);
    const sql = postgres(database.url, { max: 1 });
    try {
      await sql`insert into penstock.migrations (index, name, hash)
        select max(index) + 1, '9999_of_the_future', 'x' from penstock.migrations`;
      for (const command of ["serve", "migrate"]) {
        const port = command === "serve" ? ["--port", "0"] : [];
        const { code, stderr } = await penstock([command, ...port, ...url]);
        assert.equal(code, 1);
        assert.match(stderr, /"event":"failed".*9999_of_the_future.*newer/);
      }
      await sql`delete from penstock.migrations where name = '9999_of_the_future'`;
      await sql`update penstock.migrations set hash = 'changed' where index = 1`;
      assert.match((await penstock(["migrate", ...url])).stderr, /differs/);
    } finally {
      await sql.end();
    }
  });
});
