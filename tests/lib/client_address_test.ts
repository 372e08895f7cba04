/** Whose address counts behind proxies, and what can be forged. */
import assert from "node:assert/strict";
import { clientAddress, networkOfClient } from "../../src/lib/client_address.ts";
import { parseNetwork } from "../../src/lib/network_targets.ts";

const trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map((text) => parseNetwork(text)!);

Deno.test("clientAddress goes back over trusted proxies, and no further", () => {
  const rows: [string | null, string | null, string | null][] = [
    ["127.0.0.1", null, "127.0.0.1"],
    ["127.0.0.1", "192.0.2.1", "192.0.2.1"],
    // What a client puts before is its own invention.
    ["127.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"],
    ["127.0.0.1", "192.0.2.1, 10.1.2.3", "192.0.2.1"],
    ["::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"],
    ["fd00::1", "[2001:db8::1]:4711, 10.0.0.1:80", "2001:db8::1"],
    // A peer that is not trusted is believed nothing.
    ["203.0.113.5", "192.0.2.1", "203.0.113.5"],
    // What is no address ends the way back.
    ["127.0.0.1", "192.0.2.1, unknown", "127.0.0.1"],
    ["127.0.0.1", "", "127.0.0.1"],
    [null, "192.0.2.1", null],
  ];
  for (const [peer, header, expected] of rows) {
    assert.equal(clientAddress(peer, header, trusted), expected, `${peer} ${header}`);
  }
});

Deno.test("networkOfClient takes IPv4 whole, and of IPv6 what one client has", () => {
  assert.equal(networkOfClient("192.0.2.1"), "192.0.2.1");
  assert.equal(networkOfClient("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOfClient("2001:db8:1:2:3:4:5:6"), networkOfClient("2001:db8:1:2::9"));
  assert.notEqual(networkOfClient("2001:db8:1:2::1"), networkOfClient("2001:db8:1:3::1"));
});
