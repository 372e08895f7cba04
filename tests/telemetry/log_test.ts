/** What is written to the log: one line an event, whatever its fields hold. */
import assert from "node:assert/strict";
import { formatterOf } from "../../src/telemetry/log.ts";
import type { TelemetryEvent } from "../../src/telemetry/events.ts";

const WORKER = "evil\n12:00:00.000 ERROR All data is lost\r\u001b[2J\u009b31m\u2028";

const CLAIMED: TelemetryEvent = {
  event: "lease_claimed",
  subscription: "s",
  generation: 1,
  holder: WORKER,
};

Deno.test("control characters in a field are escaped in a line of text", () => {
  const line = formatterOf({ format: "text", worker: null })(CLAIMED, new Date(0));
  // deno-lint-ignore no-control-regex
  assert.match(line, /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*\n$/);
  assert.ok(line.includes("evil\\n12:00:00.000 ERROR All data is lost\\r\\u001b[2J\\u009b31m"));
});

Deno.test("control characters in a field are escaped in a line of JSON", () => {
  const line = formatterOf({ format: "json", worker: 2 })(CLAIMED, new Date(0));
  // deno-lint-ignore no-control-regex
  assert.match(line, /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*\n$/);
  const { holder, worker, time, level } = JSON.parse(line);
  assert.deepEqual([holder, worker, time, level], [
    WORKER,
    2,
    "1970-01-01T00:00:00.000Z",
    "debug",
  ]);
});

Deno.test("no field of an event carries a password into the log", () => {
  const event: TelemetryEvent = {
    event: "listening",
    version: "1",
    database: "embedded in mysql://user:s3cr3t@host/x",
    url: "http://127.0.0.1:1",
    try: "curl",
  };
  for (const format of ["text", "json"] as const) {
    const line = formatterOf({ format, worker: null })(event, new Date(0));
    assert.doesNotMatch(line, /s3cr3t/);
    assert.match(line, /mysql:\/\/user:\*\*\*@host\/x/);
  }
});
