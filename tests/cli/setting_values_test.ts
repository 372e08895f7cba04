/** Values of settings: what each may be, and in which words the rest is refused. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Option, OPTIONS } from "../../src/cli/options.ts";
import { isLoopback, parseDuration, parseSize } from "../../src/cli/setting_values.ts";
import { configOf, problemOf } from "./support.ts";

Deno.test("every bad value is refused with what would be good", () => {
  const time = "is not a time from 1ms to 60m, such as 500ms, 30s or 2m";
  const size = "is not a size from 1 byte to 256MiB, such as 65536 or 16MiB";
  const port = "is not a whole number from 0 to 65535";
  const connections = "is not a whole number from 2 to 1000";
  const levels = "is none of debug, info, warning, error, silent";
  const rows: [Option, string[], string][] = [
    [OPTIONS.host, ["a b", "http://x", "a/b", "[::1", "é"], "is not an address"],
    [OPTIONS.port, ["-1", "65536", "1.5", "1e3", "x", "0x50", " 80"], port],
    [OPTIONS.databaseConnections, ["1", "0", "1001", "many"], connections],
    [OPTIONS.databaseTimeout, ["0", "0.4ms", "61m", "1h", "-5s", "5 s", ".5s"], time],
    [OPTIONS.longPollTimeout, ["0s", "3601s", "x", "1e3ms", "Infinity"], time],
    [OPTIONS.maxAppendBytes, ["0", "257MiB", "16MB", "1GiB", "-1", "1.5MiB", "x"], size],
    [OPTIONS.bodyTimeout, ["0", "61m", "never"], time],
    [OPTIONS.maxBufferedBytes, ["0", "1025GiB", "x"], size.replace("256MiB", "1048576MiB")],
    [OPTIONS.maxFollowers, ["0", "10000001", "x"], "is not a whole number from 1 to 10000000"],
    [OPTIONS.logFormat, ["yaml", "JSON"], "is none of auto, text, json"],
    [OPTIONS.logLevel, ["warn", "INFO", "trace"], levels],
    [OPTIONS.accessLog, ["on", "JSON"], "is none of off, text, json"],
  ];
  for (const [option, values, words] of rows) {
    for (const value of values) {
      assert.equal(
        problemOf([`--${option.flag}=${value}`]),
        `--${option.flag}: "${value}" ${words}`,
      );
      const problem = problemOf([], { [option.environment]: value });
      assert.equal(problem, `${option.environment}: "${value}" ${words}`);
    }
  }
  assert.equal(
    problemOf([], { PENSTOCK_ALLOW_ANONYMOUS: "yes" }),
    'PENSTOCK_ALLOW_ANONYMOUS: "yes" is none of true, false',
  );
  assert.equal(problemOf(["--host="]), '--host: "" is not an address');
  const expected = "expected postgres://";
  assert.match(
    problemOf(["--database-url=x"]),
    new RegExp(`^--database-url: not a URL; ${expected}`),
  );
  assert.match(problemOf([], { DATABASE_URL: "x" }), /^DATABASE_URL: not a URL;/);
  assert.equal(
    problemOf([], { DATABASE_URL: "mysql://h/d" }),
    `DATABASE_URL: a mysql: URL; ${expected}…`,
  );
});

Deno.test("the public URL is an origin, and nothing that streams are not under", () => {
  assert.equal(
    configOf(["--public-url=https://Streams.example:443"]).publicUrl,
    "https://streams.example",
  );
  const refused = (url: string) => problemOf([], { PENSTOCK_PUBLIC_URL: url });
  assert.equal(refused("x"), 'PENSTOCK_PUBLIC_URL: "x" is not a URL; expected https://host');
  assert.equal(refused("ftp://h"), "PENSTOCK_PUBLIC_URL: a ftp: URL; expected https://host");
  for (
    const url of ["https://h/a", "https://h/?a", "https://h/#a", "https://u@h", "https://u:p@h"]
  ) {
    assert.match(refused(url), /give the URL without path, query or user$/, url);
  }
});

Deno.test("webhooks reach nothing but the internet unless the operator names it", () => {
  for (const args of [[], ["--public-url=http://localhost:4437"]]) {
    assert.deepEqual(configOf(args, { PENSTOCK_WEBHOOK_ALLOW: "" }).webhookAllow, []);
  }
  const { webhookAllow } = configOf(["--webhook-allow", "a.internal:4700, 10.0.0.0/8"], {});
  assert.deepEqual(webhookAllow.map(({ port }) => port), [4700, null]);
  assert.equal(configOf([], { PENSTOCK_WEBHOOK_ALLOW: "b" }).webhookAllow.length, 1);
  assert.match(
    problemOf(["--webhook-allow", "a/8"], {}),
    /^--webhook-allow: "a\/8" is no host, address or network/,
  );
});

Deno.test("isLoopback knows this machine's own addresses", () => {
  for (const host of ["127.0.0.1", "127.8.9.10", "::1", "localhost"]) assert.ok(isLoopback(host));
  for (
    const host of ["127.0.0.1.example.org", "127.1", "localhost.example.org", "", "0", "::ffff"]
  ) {
    assert.ok(!isLoopback(host), host);
  }
});

Deno.test("parseDuration and parseSize read every whole amount of their units", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 3_600_000 }), (n) => {
    assert.equal(parseDuration(`${n}ms`), n);
    if (n <= 3600) assert.equal(parseDuration(`${n}`), n * 1000);
    if (n <= 3600) assert.equal(parseDuration(`${n}s`), n * 1000);
    if (n <= 60) assert.equal(parseDuration(`${n}m`), n * 60_000);
    assert.equal(parseSize(`${n}`, 2 ** 40), n);
    if (n <= 256 << 10) assert.equal(parseSize(`${n}KiB`, 2 ** 40), n << 10);
  }));
  assert.equal(parseDuration("0.001s"), 1);
  assert.equal(parseSize("16MiB", 2 ** 40), 16 << 20);
  assert.equal(parseSize("3GiB", 2 ** 40), 3 * 2 ** 30);
});

Deno.test("rates, proxies, certificates and the admin listener are read, or refused with a reason", () => {
  const { rates, trustedProxies, certificateFiles } = configOf([
    ...["--rate", "append=1000/s, bytes=10MiB/s,create=50/m"],
    ...["--trusted-proxies", "127.0.0.1,fd00::/8", "--tls-cert", "c", "--tls-key", "k"],
  ]);
  assert.deepEqual(rates.get("bytes"), { quota: 10 << 20, windowSeconds: 1 });
  assert.deepEqual(rates.get("create"), { quota: 50, windowSeconds: 60 });
  assert.deepEqual(trustedProxies.map(([address, length]) => `${address}/${length}`), [
    "127.0.0.1/32",
    "fd00::/8",
  ]);
  assert.deepEqual(certificateFiles, { certFile: "c", keyFile: "k" });
  assert.match(problemOf(["--rate=append=0/s"]), /whole number from 1/);
  assert.match(problemOf(["--rate=write=1/s"]), /none of append, create, read, bytes/);
  assert.match(problemOf(["--rate=append=1/s,append=2/s"]), /twice/);
  assert.match(problemOf(["--rate=append=1/h"]), /not a rate/);
  assert.match(problemOf(["--trusted-proxies=example.com"]), /not an address or a network/);
  assert.match(problemOf(["--tls-cert=c"]), /each needs the other/);
  assert.match(problemOf(["--admin-port=1", "--admin-host=0.0.0.0"]), /no access control/);
});
