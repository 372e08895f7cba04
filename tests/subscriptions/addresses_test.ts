/** What webhooks may reach: every spelling of what they may not. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { kindOfAddress } from "../../src/subscriptions/addresses.ts";
import { Refused } from "../../src/errors.ts";
import { checkWebhookUrl, mayConnect } from "../../src/subscriptions/webhook_url.ts";

const REFUSED = `
  0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 169.254.0.1 169.254.169.254
  172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1
  198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
  :: ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::ffff:0:127.0.0.1 ::7f00:1
  ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::
  2002:a9fe:a9fe:: fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 3fff::1 5f00::1
  4000::1 127.1 2130706433 0x7f000001 0177.0.0.1 localhost example.com 1.2.3.4.5
`.trim().split(/\s+/);
const LOOPBACK = ["127.0.0.1", "127.0.0.9", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1"];
const PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"];

Deno.test("kindOfAddress lets only global unicast pass", () => {
  for (const address of REFUSED) assert.equal(kindOfAddress(address), "refused", address);
  for (const address of LOOPBACK) assert.equal(kindOfAddress(address), "loopback", address);
  for (const address of PUBLIC) assert.equal(kindOfAddress(address), "public", address);
  assert.equal(kindOfAddress(""), "refused");
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
      assert.equal(kindOfAddress(`::ffff:${host}`), "refused", host);
    }
  }));
});

/** `ok`, or the refusal's message. */
function check(url: string, allowLocal: boolean): string {
  try {
    checkWebhookUrl(url, allowLocal);
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

Deno.test("a webhook's URL is https to a public host, in whatever spelling", () => {
  for (const url of NEVER) {
    for (const local of [true, false]) assert.notEqual(check(url, local), "ok", url);
  }
  for (const url of ["https://example.com/hook", "https://8.8.8.8:8443/", "https://[2a00::1]/"]) {
    for (const local of [true, false]) assert.equal(check(url, local), "ok", url);
  }
});

Deno.test("plain http goes to localhost alone, and only where the operator allows it", () => {
  for (const url of PLAIN_LOCAL) {
    assert.equal(check(url, true), "ok", url);
    assert.notEqual(check(url, false), "ok", url);
  }
});

Deno.test("a refusal does not repeat the credentials of the URL", () => {
  assert.doesNotMatch(check("https://user:secret@example.com/", true), /secret/);
});

Deno.test("what a name resolves to is judged by the URL's protocol", () => {
  const https = new URL("https://hook.example/");
  const http = new URL("http://localhost/");
  assert.deepEqual(
    (["public", "loopback", "refused"] as const).map((kind) => [
      mayConnect(https, kind),
      mayConnect(http, kind),
    ]),
    [[true, false], [false, true], [false, false]],
  );
});
