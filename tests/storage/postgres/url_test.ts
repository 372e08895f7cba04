/** Connection strings, of one host and of several. */
import assert from "node:assert/strict";
import { parsePostgresUrl } from "../../../src/storage/postgres/url.ts";

Deno.test("one host is passed to the driver as it is", () => {
  for (
    const url of [
      "postgres://u:p%40x@host:6432/db",
      "postgresql://host/db?sslmode=require",
      "postgres://u@[::1]:5432/db",
      "postgres://",
      "postgres:///db",
    ]
  ) assert.equal(parsePostgresUrl(url).driverUrl, url);
  assert.deepEqual(parsePostgresUrl("postgres://u@[::1]:6/db").hosts, [{ host: "::1", port: 6 }]);
  assert.deepEqual(parsePostgresUrl("postgres://h/db").hosts, [{ host: "h", port: 5432 }]);
  assert.deepEqual(parsePostgresUrl("postgres:///db").hosts, [{ host: "localhost", port: 5432 }]);
});

Deno.test("several hosts each have their port, and the driver gets the first", () => {
  const parsed = parsePostgresUrl(
    "postgres://u:p,w@h1,h2:6432,[fe80::1]:7/db?target_session_attrs=read-write&sslmode=prefer",
  );
  assert.deepEqual(parsed.hosts, [
    { host: "h1", port: 5432 },
    { host: "h2", port: 6432 },
    { host: "fe80::1", port: 7 },
  ]);
  assert.equal(parsed.driverUrl, "postgres://u:p,w@h1/db?sslmode=prefer");
});

Deno.test("what would read a standby is refused, and what would ack too early is left out", () => {
  for (const target of ["standby", "prefer-standby", "read-only"]) {
    assert.throws(
      () => parsePostgresUrl(`postgres://h/db?target_session_attrs=${target}`),
      /target_session_attrs must be read-write/,
    );
  }
  for (const target of ["any", "read-write", "primary"]) {
    const url = `postgres://h/db?target_session_attrs=${target}`;
    assert.equal(parsePostgresUrl(url).driverUrl, "postgres://h/db");
  }
  assert.equal(
    parsePostgresUrl("postgres://h/db?synchronous_commit=off").driverUrl,
    "postgres://h/db",
  );
  const strict = "postgres://h/db?synchronous_commit=remote_apply";
  assert.equal(parsePostgresUrl(strict).driverUrl, strict);
});

Deno.test("what is no connection string is refused", () => {
  for (const text of ["", "h/db", "postgres:/h/db", "postgres://h:x/db", "postgres://h:70000/db"]) {
    assert.throws(() => parsePostgresUrl(text), /not a URL/, text);
  }
  for (const text of ["postgres://a b/db", "postgres://h1,h2:x/db", "postgres://[::1/db"]) {
    assert.throws(() => parsePostgresUrl(text), /not a URL/, text);
  }
  assert.throws(() => parsePostgresUrl("https://h/db"), /a https: URL/);
});
