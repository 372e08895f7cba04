/** What webhooks may reach: every spelling of what they may not. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { kindOfAddress } from "../../src/lib/addresses.ts";
import { Refused } from "../../src/errors.ts";
import { WebhookPolicy } from "../../src/subscriptions/webhook_policy.ts";
import { parseNetworkTarget } from "../../src/lib/network_targets.ts";

const FORBIDDEN = `
  0.0.0.0 0.1.2.3 169.254.0.1 169.254.169.254 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1
  198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
  100.100.100.200 fd20:ce::254 fd00:0ec2:0::254
  :: ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::ffff:0:127.0.0.1 ::7f00:1
  ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::
  2002:a9fe:a9fe:: fd00:ec2::254 fe80::1 fe80::1%eth0 ::1%lo fec0::1 ff02::1 3fff::1 5f00::1
  4000::1 127.1 2130706433 0x7f000001 0177.0.0.1 localhost example.com 1.2.3.4.5
`.trim().split(/\s+/);
const LOCAL = `
  127.0.0.1 127.0.0.9 127.255.255.254 ::1 0:0:0:0:0:0:0:1 10.0.0.1 10.255.255.255 100.64.0.1
  100.127.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 fd00::1
`.trim().split(/\s+/);
const PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"];

Deno.test("kindOfAddress tells the internet, private networks and all else apart", () => {
  for (const address of FORBIDDEN) assert.equal(kindOfAddress(address), "forbidden", address);
  for (const address of LOCAL) assert.equal(kindOfAddress(address), "local", address);
  for (const address of PUBLIC) assert.equal(kindOfAddress(address), "public", address);
  assert.equal(kindOfAddress(""), "forbidden");
});

Deno.test("kindOfAddress never takes an address of a private range for a public one", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(fc.property(byte, byte, byte, (b, c, d) => {
    const hosts = [
      `10.${b}.${c}.${d}`,
      `127.${b}.${c}.${d}`,
      `172.${16 + (b & 15)}.${c}.${d}`,
      `192.168.${c}.${d}`,
      `169.254.${c}.${d}`,
      `100.${64 + (b & 63)}.${c}.${d}`,
    ];
    for (const host of hosts) {
      assert.notEqual(kindOfAddress(host), "public", host);
      assert.equal(kindOfAddress(`::ffff:${host}`), "forbidden", host);
    }
  }));
});

function policyOf(allow: string): WebhookPolicy {
  return new WebhookPolicy(
    allow.split(",").filter((item) => item !== "").flatMap(parseNetworkTarget),
  );
}

/** `ok`, or the refusal's message. */
function check(url: string, allow: string): string {
  try {
    policyOf(allow).check(url);
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Refused && error.refusal.kind === "invalid", String(error));
    assert.equal(error.refusal.code, "WEBHOOK_URL_REJECTED");
    return error.message;
  }
}

const NEVER = [
  "http://10.0.0.1/hook",
  "http://example.com/",
  "http://localhost.example.com/",
  "http://127.0.0.1.example.com/",
  "http://[::ffff:127.0.0.1]/",
  "http://0.0.0.0/",
  "http://0/",
  "https://localhost/",
  "https://LOCALHOST./",
  "https://a.localhost/",
  "https://127.0.0.1/",
  "https://127.1/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://0x7f000001/",
  "https://0177.0.0.1/",
  "https://017700000001/",
  "https://127.0.0.1./",
  "https://①②⑦.0.0.1/",
  "https://[::1]/",
  "https://[::]/",
  "https://[0:0:0:0:0:ffff:127.0.0.1]/",
  "https://[::ffff:a9fe:a9fe]/",
  "https://[64:ff9b::a9fe:a9fe]/",
  "https://[fe80::1]/",
  "https://10.1.2.3/",
  "https://167772161/",
  "https://012.0.0.1/",
  "https://172.16.0.1/",
  "https://192.168.1.1/",
  "https://0xc0a80101/",
  "https://169.254.169.254/latest/meta-data/",
  "https://2852039166/",
  "https://0xa9fea9fe/",
  "https://user@example.com/",
  "https://user:secret@example.com/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://example.com/",
  "javascript:alert(1)",
  "//example.com/",
  "/hook",
  "example.com",
  "",
  "https://",
  "https://exa mple.com/",
  `https://example.com/${"x".repeat(2048)}`,
];
const PLAIN_LOCAL = [
  "http://localhost/",
  "http://localhost:8080/hook?x=1",
  "http://127.0.0.1:1/",
  "http://127.0.0.7/",
  "http://[::1]:80/",
  "http://2130706433/",
];

/** As little as may be, and as much as may be. */
const ALLOWED = ["", "localhost", "example.org:80,10.9.0.0/16:8080"];

Deno.test("a webhook's URL is https to a public host, in whatever spelling", () => {
  for (const url of NEVER) assert.notEqual(check(url, ""), "ok", url);
  for (const url of PLAIN_LOCAL) assert.notEqual(check(url, ""), "ok", url);
  for (const url of ["https://example.com/hook", "https://8.8.8.8:8443/", "https://[2a00::1]/"]) {
    for (const allow of ALLOWED) assert.equal(check(url, allow), "ok", url);
  }
});

Deno.test("localhost, when allowed, is this machine by every name, by http and https", () => {
  for (const url of [...PLAIN_LOCAL, "https://localhost/", "https://127.1/", "https://[::1]/"]) {
    assert.equal(check(url, "localhost"), "ok", url);
  }
  assert.equal(check("http://localhost:9000/", "localhost:9000"), "ok");
  assert.equal(check("http://127.0.0.1:9000/", "localhost:9000"), "ok");
  assert.notEqual(check("http://127.0.0.1:9001/", "localhost:9000"), "ok");
  assert.notEqual(check("http://localhost:9001/", "localhost:9000"), "ok");
});

Deno.test("hosts, addresses and networks are allowed with their ports, or with any", () => {
  const rows: [string, string, boolean][] = [
    ["host.docker.internal:4700", "http://host.docker.internal:4700/a", true],
    ["host.docker.internal:4700", "http://HOST.docker.internal.:4700/a", true],
    ["host.docker.internal:4700", "http://host.docker.internal/a", false],
    ["host.docker.internal:4700", "http://a.host.docker.internal:4700/a", false],
    ["hooks", "http://hooks/", true],
    ["hooks:80", "http://hooks/", true],
    ["hooks:443", "https://hooks/", true],
    ["10.0.0.0/8", "http://10.1.2.3:9/", true],
    ["10.0.0.0/8", "https://10.1.2.3/", true],
    ["10.0.0.0/8", "http://11.1.2.3/", false],
    ["10.0.0.0/8:8080", "http://10.1.2.3/", false],
    ["10.1.2.3", "http://10.1.2.3:1/", true],
    ["10.1.2.3", "http://10.1.2.4:1/", false],
    ["fd00::/8", "http://[fd12::1]/", true],
    ["[fd00::/8]:8080", "http://[fd12::1]:8080/", true],
    ["[fd00::/8]:8080", "http://[fd12::1]/", false],
    ["fd12::1", "http://[fd12::1]/", true],
    ["8.8.8.8", "http://8.8.8.8/", true],
    // It is known only when it is resolved.
    ["10.0.0.0/8", "http://worker.internal/", true],
  ];
  for (const [allow, url, expected] of rows) {
    assert.equal(check(url, allow) === "ok", expected, `${allow} ${url}`);
  }
});

Deno.test("metadata services and link-local addresses are refused whatever is allowed", () => {
  const everything = "0.0.0.0/0,::/0,metadata.internal,169.254.169.254";
  const policy = policyOf(everything);
  for (const address of FORBIDDEN) {
    const url = new URL("http://metadata.internal/");
    assert.match(policy.refuseAddress(url, address) ?? "", /never/, address);
  }
  for (const url of ["http://169.254.169.254/", "http://0xa9fea9fe/", "http://[fd00:ec2::254]/"]) {
    assert.match(check(url, everything), /never/, url);
  }
  for (const address of [...LOCAL, ...PUBLIC]) {
    assert.equal(policy.refuseAddress(new URL("http://a/"), address), null, address);
  }
});

Deno.test("every address that a name resolves to is judged", () => {
  const policy = policyOf("10.0.0.0/8:8080,hooks.internal");
  const judged = (url: string, address: string) => policy.refuseAddress(new URL(url), address);
  assert.equal(judged("https://hook.example/", "8.8.8.8"), null);
  assert.notEqual(judged("https://hook.example/", "10.0.0.1"), null);
  assert.equal(judged("https://hook.example:8080/", "10.0.0.1"), null);
  assert.notEqual(judged("http://hook.example:8080/", "8.8.8.8"), null);
  assert.notEqual(judged("https://hook.example/", "127.0.0.1"), null);
  assert.equal(judged("http://hooks.internal/", "192.168.0.1"), null);
  assert.notEqual(judged("http://hooks.internal/", "169.254.169.254"), null);
});

Deno.test("what is no target is refused when Penstock starts", () => {
  const texts = [
    ...["*", "a b", "http://a", "a/8", "10.0.0.0/33", "::1/129", "10.0.0.0/x", "127.1", "1.2.3"],
    ...["a:0", "a:65536", "a:x", "[::1", "[a]:b", "fe80::1%eth0", "a..b", "user@a"],
  ];
  for (const text of texts) assert.throws(() => parseNetworkTarget(text), /is no host|port/, text);
});

Deno.test("a refusal does not repeat the credentials or the path of the URL", () => {
  for (const url of ["https://user:secret@example.com/", "http://localhost/secret?secret"]) {
    assert.doesNotMatch(check(url, ""), /secret/);
  }
});
