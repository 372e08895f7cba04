import assert from "node:assert/strict";
import { OriginPolicy, type OriginPolicyOptions } from "../../src/http/origin_policy.ts";

function policyOf(options: Partial<OriginPolicyOptions> = {}): OriginPolicy {
  return new OriginPolicy({
    ...{ listenHost: "127.0.0.1", allowedHosts: [], publicUrl: null, corsOrigins: [] },
    ...options,
  });
}

function admitted(policy: OriginPolicy, hosts: readonly (string | null)[]): (string | null)[] {
  return hosts.filter((host) => policy.refuseHost(host) === null);
}

Deno.test("a node on loopback answers to loopback names, and to requests without a host", () => {
  const own = ["localhost", "LocalHost:4437", "app.localhost:1", "127.0.0.1:4437", "127.9.9.9"];
  const hosts = [...own, "[::1]:4437", null];
  assert.deepEqual(admitted(policyOf(), hosts), hosts);
  const foreign = [
    "evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "127.evil.example",
    "[::2]",
  ];
  assert.deepEqual(admitted(policyOf(), foreign), []);
});

Deno.test("the address listened on, the public URL's host and allowed hosts are answered to", () => {
  const policy = policyOf({
    listenHost: "10.1.2.3",
    publicUrl: "https://streams.example.com",
    allowedHosts: ["penstock", "Node-1"],
  });
  const own = ["10.1.2.3:4437", "streams.example.com", "penstock:80", "node-1"];
  assert.deepEqual(admitted(policy, [...own, "10.1.2.4", "example.com"]), own);
});

Deno.test("a node that listens everywhere answers to every address, and to no foreign name", () => {
  for (const listenHost of ["0.0.0.0", "::"]) {
    const addresses = ["192.0.2.7:4437", "[2001:db8::1]"];
    assert.deepEqual(admitted(policyOf({ listenHost }), [...addresses, "evil.example"]), addresses);
  }
});

Deno.test("* admits every host", () => {
  assert.equal(policyOf({ allowedHosts: ["*"] }).refuseHost("any.example"), null);
});

Deno.test("pages of the same host may use the server on any port, others only when named", () => {
  const policy = policyOf({ corsOrigins: ["https://app.example.com"] });
  const allows = (origin: string, host = "localhost:4437") => policy.allowsOrigin(origin, host);
  assert(allows("http://localhost:5173"));
  assert(allows("http://127.0.0.1:5173"));
  assert(allows("https://app.example.com"));
  assert(allows("https://streams.example.org:444", "streams.example.org"));
  assert(!allows("http://app.example.com"));
  assert(!allows("https://evil.example"));
  assert(!allows("https://localhost.evil.example"));
  assert(!allows("null"));
  assert(policyOf({ corsOrigins: ["*"] }).allowsOrigin("null", "localhost"));
});

Deno.test("a URL is one of this server's by its host and port, or by the public URL", () => {
  const policy = policyOf({ publicUrl: "https://streams.example", allowedHosts: ["*"] });
  const own = (hosts: string[], by: string | null) =>
    hosts.filter((host) => policy.isOwnHost(host, by));
  const hosts = ["10.0.0.1:4437", "localhost:4437", "streams.example", "STREAMS.example:443"];
  assert.deepEqual(own(hosts, "10.0.0.1:4437"), hosts);
  assert.deepEqual(own(hosts, "127.0.0.1:4437"), hosts.slice(1));
  assert.deepEqual(own(hosts, null), hosts.slice(2));
  const others = ["localhost:80", "localhost:44", "other.example:4437", "streams.example:4437x"];
  assert.deepEqual(own(others, "127.0.0.1:4437"), []);
});
