/** Each of the programs does its work in a test: what the tests of recipes and metrics stand on. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import postgres from "postgres";
import { freshDatabase } from "../postgres.ts";
import { startCaddy } from "./caddy.ts";
import { startChromium } from "./chromium.ts";
import { startHaproxy } from "./haproxy.ts";
import { type NginxOptions, startNginx } from "./nginx.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import {
  configure,
  findProgram,
  missingPrograms,
  poll,
  programVersion,
  type RunningProgram,
  startProgram,
  testWith,
} from "./program.ts";
import { promtool, startPrometheus } from "./prometheus.ts";

const PAGE = `<!doctype html><title>t</title><h1>Hello</h1><button>more</button><p></p>
<script>document.querySelector("button").onclick = () =>
  setTimeout(() => document.querySelector("p").textContent = "clicked", 50);</script>`;

interface Upstream {
  readonly port: number;
  /** `method path` of each request it got. */
  readonly requests: string[];
  close(): Promise<void>;
}

async function startUpstream(): Promise<Upstream> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const type = request.url === "/page" ? "text/html" : "text/plain";
    response.writeHead(200, { "content-type": type, "x-upstream": "reached" });
    if (request.url === "/page") response.end(PAGE);
    else if (request.url === "/metrics") response.end("penstock_constant 42\n");
    else response.end(`upstream got ${request.url}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const PROXIES: Record<string, (options: NginxOptions) => Promise<RunningProgram>> = {
  nginx: ({ upstreamPort }) => startNginx({ upstreamPort }),
  haproxy: ({ upstreamPort }) => startHaproxy({ upstreamPort }),
  caddy: ({ upstreamPort }) => startCaddy({ upstreamPort }),
};

for (const [name, start] of Object.entries(PROXIES)) {
  testWith([name], `${name} passes a request on, and is gone once stopped`, async () => {
    const upstream = await startUpstream();
    try {
      const proxy = await start({ upstreamPort: upstream.port });
      try {
        const response = await fetch(`${proxy.url}/some/path?x=1`);
        assert.equal(await response.text(), "upstream got /some/path?x=1");
        assert.equal(response.headers.get("x-upstream"), "reached");
        assert.deepEqual(upstream.requests, ["GET /some/path?x=1"]);
        assert.match(programVersion(name) ?? "", /^\d+\.\d+/);
      } finally {
        await proxy.stop();
      }
      await assert.rejects(fetch(proxy.url));
      assert.ok(!existsSync(proxy.folder));
    } finally {
      await upstream.close();
    }
  });
}

testWith(
  ["nginx"],
  "nginx takes a server of the test's own and caches in its folder, and SIGHUP reloads it",
  async () => {
    const upstream = await startUpstream();
    const nginx = await startNginx({
      upstreamPort: upstream.port,
      http: "proxy_cache_path {{folder}}/cache keys_zone=c:1m;",
      server: `location /a/ {
      proxy_pass http://127.0.0.1:{{upstreamPort}};
      proxy_cache c;
      proxy_cache_valid 200 1m;
    }`,
    });
    try {
      for (let n = 0; n < 3; n++) await (await fetch(`${nginx.url}/a/x`)).text();
      assert.deepEqual(upstream.requests, ["GET /a/x"]);
      const file = join(nginx.folder, "nginx.conf");
      writeFileSync(file, readFileSync(file, "utf8").replace("location /a/ {", "$&\nreturn 418;"));
      nginx.signal("SIGHUP");
      const status = async () => {
        const response = await fetch(`${nginx.url}/a/x`);
        await response.body?.cancel();
        return response.status;
      };
      await poll(5000, () => nginx.output(), async () => await status() === 418);
    } finally {
      await nginx.stop();
      await upstream.close();
    }
  },
);

testWith(
  ["nginx"],
  "a configuration that is wrong fails at once, with the program's words",
  async () => {
    await assert.rejects(
      startNginx({ upstreamPort: 1, server: "no_such_directive on;" }),
      /nginx ended:[^]*unknown directive "no_such_directive"/,
    );
  },
);

testWith(["pgbouncer"], "PgBouncer passes a query on to the test's PostgreSQL", async () => {
  const database = await freshDatabase();
  const bouncer = await startPgBouncer(database.url);
  const sql = postgres(bouncer.databaseUrl, { max: 1, prepare: false });
  try {
    assert.deepEqual([...await sql`select current_database() as name`], [
      { name: new URL(database.url).pathname.slice(1) },
    ]);
    await bouncer.printed(/login attempt/);
  } finally {
    await sql.end();
    await bouncer.stop();
    await database.drop();
  }
});

testWith(["prometheus"], "Prometheus scrapes a metric and evaluates a rule over it", async () => {
  const upstream = await startUpstream();
  const rules = "groups: [{name: g, rules: [{record: twice, expr: 2 * penstock_constant}]}]";
  const prometheus = await startPrometheus({ targets: [upstream.port], rules });
  try {
    const [sample] = await prometheus.samples("twice");
    assert.equal(sample?.value, 84);
    assert.equal(sample?.metric.instance, `127.0.0.1:${upstream.port}`);
    assert.deepEqual(await prometheus.query("no_such_metric"), []);
    await assert.rejects(prometheus.query("sum("), /parse error/);
  } finally {
    await prometheus.stop();
    await upstream.close();
  }
});

testWith(["promtool"], "promtool tells a rule that is right from one that is wrong", () => {
  const check = (expression: string) =>
    promtool(["check", "rules", "rules.yml"], {
      files: { "rules.yml": `groups: [{name: g, rules: [{alert: A, expr: "${expression}"}]}]` },
    });
  assert.equal(check("up == 0").code, 0);
  assert.notEqual(check("up ==").code, 0);
  const metrics = promtool(["check", "metrics"], {
    stdin: "# TYPE requests counter\nrequests 1\n",
  });
  assert.match(metrics.output, /_total/);
});

testWith(["chromium"], "Chromium loads a page, clicks, and reports what went wrong", async () => {
  const upstream = await startUpstream();
  const chromium = await startChromium();
  try {
    const page = await chromium.openPage(`http://127.0.0.1:${upstream.port}/page`);
    assert.match(await page.text(), /^Hello/);
    await page.playwright.click("button");
    await page.waitForText("clicked", "p");
    assert.equal(await page.evaluate("document.title"), "t");
    assert.equal(await page.evaluate<number>((n: number) => n + 1, 41), 42);
    const png = await page.screenshot();
    assert.equal(Buffer.from(png.subarray(1, 4)).toString(), "PNG");
    assert.deepEqual(page.errors, []);
    // The upstream allows no other origin, and Chromium says so in the console.
    const other = `http://localhost:${upstream.port}/other`;
    assert.equal(
      await page.evaluate(`fetch("${other}").catch((error) => error.name)`),
      "TypeError",
    );
    assert.match(page.errors.join("\n"), /blocked by CORS policy/);
    assert.match(page.failedRequests.join("\n"), /^GET http:\/\/localhost/);
    await page.close();
  } finally {
    await chromium.close();
    await upstream.close();
  }
});

testWith(["perl"], "a program that ignores SIGTERM is killed, and its folder removed", async () => {
  const source = `
use IO::Socket::INET;
$SIG{TERM} = "IGNORE";
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]);
$server->accept while 1;
`;
  const program = await startProgram("perl", {
    files: () => ({ "server.pl": source }),
    args: ({ port }) => ["server.pl", String(port)],
  });
  process.kill(program.pid, 0);
  await program.stop(100);
  assert.throws(() => process.kill(program.pid, 0));
  assert.ok(!existsSync(program.folder));
});

Deno.test("a test whose program is missing is skipped with a line that says so", () => {
  assert.equal(findProgram("no-such-program"), undefined);
  assert.deepEqual(missingPrograms(["sh", "no-such-program"]), ["no-such-program"]);
  const folder = mkdtempSync(join(tmpdir(), "penstock-skipped-"));
  try {
    const module = pathToFileURL(join(import.meta.dirname ?? ".", "program.ts")).href;
    writeFileSync(
      join(folder, "x_test.ts"),
      `import { testWith } from "${module}";
testWith(["sh", "no-such-program"], "needs it", () => { throw new Error("ran"); });
testWith(["sh"], "runs", () => {});`,
    );
    const args = ["test", "-A", "--no-check", "--no-lock", "--no-config", "x_test.ts"];
    const { status, stdout } = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /skipped: no-such-program is not installed \(needs it\)/);
    assert.match(stdout, /1 passed \| 0 failed \| 1 ignored/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

Deno.test("placeholders of a configuration are filled in, and an unknown one throws", () => {
  const place = { port: 80, folder: "/f" };
  assert.equal(configure("a {{port}} {{folder}} {{ $value }}", place), "a 80 /f {{ $value }}");
  assert.equal(configure(({ port }) => `b ${port}`, place), "b 80");
  assert.throws(() => configure("{{upstreamPort}}", place), /no such value/);
});
