/** What is reported holds no secret. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { levelOf, sentenceOf } from "../../src/telemetry/describe.ts";
import type { TelemetryEvent } from "../../src/telemetry/events.ts";
import { messageOf } from "../../src/telemetry/redact.ts";

Deno.test("messageOf takes the password out of a connection string", () => {
  for (
    const [message, shown] of [
      ["postgres://u:secret@host:5432/db", "postgres://u:***@host:5432/db"],
      ["postgresql://u:secret@host/db", "postgresql://u:***@host/db"],
      ["at postgres://u:secret@host, refused", "at postgres://u:***@host, refused"],
      ["postgres://:secret@host", "postgres://:***@host"],
      ["postgres://u:sec:ret@host", "postgres://u:***@host"],
      ["postgres://u:sec/ret?x#y@host/db", "postgres://u:***@host/db"],
      ["postgres://us%40er:sec%40ret@host", "postgres://us%40er:***@host"],
      ["http://u:secret@proxy:3128", "http://u:***@proxy:3128"],
      [
        "tried postgres://a:secret@one and postgres://b:secret@two",
        "tried postgres://a:***@one and postgres://b:***@two",
      ],
      ['cannot reach "postgres://u:secret@host/db"', 'cannot reach "postgres://u:***@host/db"'],
    ] as const
  ) {
    assert.equal(messageOf(new Error(message)), shown);
    assert.equal(messageOf(message), shown);
  }
});

Deno.test("messageOf leaves what holds no password as it is", () => {
  for (
    const message of [
      "connect ECONNREFUSED 127.0.0.1:5432",
      "postgres://user@host:5432/db",
      "postgres://host:5432/db",
      "http://localhost:4437/v1/stream/a",
      "",
    ]
  ) assert.equal(messageOf(new Error(message)), message);
});

Deno.test("messageOf says something of whatever was thrown", () => {
  assert.equal(messageOf(undefined), "undefined");
  assert.equal(messageOf(null), "null");
  assert.equal(messageOf(42), "42");
});

const PASSWORD = "Tr0ub4dor";

Deno.test("messageOf takes out every password that a URL can spell", () => {
  const part = fc.constantFrom("x", "%40", "%2F", ":", "!", "$", "~", "é");
  const password = fc.array(part, { maxLength: 6 }).map((parts) => PASSWORD + parts.join(""));
  const around = fc.constantFrom("", "failed: ", "(", '"');
  fc.assert(fc.property(password, around, (secret, before) => {
    const message = messageOf(`${before}postgres://user:${secret}@db.example:5432/app?ssl=true`);
    assert.ok(!message.includes(PASSWORD), message);
    assert.ok(message.startsWith(`${before}postgres://user:***@db.example`), message);
  }));
});

// `new URL`, and so the configuration, accepts an @ that should have been %40: all of it is secret.
Deno.test("messageOf takes out a password with an @ in it whole", () => {
  assert.equal(messageOf("postgres://user:p@ssw0rd@host/db"), "postgres://user:***@host/db");
});

Deno.test("no sentence of an event repeats its error's password", () => {
  const error = new Error(`connect postgres://user:${PASSWORD}@host failed`);
  const events: TelemetryEvent[] = [
    { event: "sweep_failed", error },
    { event: "database_unavailable", error, suppressed: 3 },
    { event: "request_failed", method: "GET", path: "/v1/stream/a", error },
  ];
  for (const event of events) {
    assert.ok(!sentenceOf(event).includes(PASSWORD));
    assert.match(sentenceOf(event), /user:\*\*\*@host failed/);
    assert.notEqual(levelOf(event), "info");
  }
  assert.match(sentenceOf(events[1]!), /3 more like it/);
});
