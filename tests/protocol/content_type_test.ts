import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import {
  isJsonMode,
  isTextual,
  isValidContentType,
  normalizeContentType,
} from "../../src/protocol/content_type.ts";

Deno.test("normalizeContentType drops case, spaces and parameters", () => {
  assert.equal(normalizeContentType("text/plain"), "text/plain");
  assert.equal(normalizeContentType(" Text/PLAIN ; charset=UTF-8"), "text/plain");
  assert.equal(normalizeContentType('a/b;x="y;z"'), "a/b");
});

Deno.test("isJsonMode is application/json and nothing like it", () => {
  assert.ok(isJsonMode("application/json"));
  assert.ok(isJsonMode("Application/JSON; charset=utf-8"));
  for (
    const other of ["application/ndjson", "application/x+json", "text/json", "application/jsonp"]
  ) {
    assert.ok(!isJsonMode(other), other);
  }
});

Deno.test("isTextual is text/* and application/json", () => {
  for (const yes of ["text/plain", "TEXT/html; charset=utf-8", "application/json"]) {
    assert.ok(isTextual(yes), yes);
  }
  for (const no of ["application/octet-stream", "application/ndjson", "application/text/plain"]) {
    assert.ok(!isTextual(no), no);
  }
});

Deno.test("isValidContentType accepts media types with parameters", () => {
  const valid = [
    "text/plain",
    "application/vnd.api+json",
    "text/plain;charset=utf-8",
    'multipart/form-data ; boundary="a \\" b;/" ; x=y',
    "text/plain;",
    "a/" + "b".repeat(254),
  ];
  for (const value of valid) assert.ok(isValidContentType(value), value);
});

Deno.test("isValidContentType refuses everything else", () => {
  const invalid = [
    "",
    "text",
    "text/",
    "/plain",
    "text/plain/x",
    " text/plain",
    "text /plain",
    "text/plain, text/html",
    "text/plain; charset",
    "text/plain; a = b",
    'text/plain; a="b',
    "text/plain\r\nx: y",
    "text/plain\n",
    'text/plain; a="\x00"',
    "text/plain; a=é",
    "a/" + "b".repeat(255),
  ];
  for (const value of invalid) assert.ok(!isValidContentType(value), value);
});

Deno.test("isValidContentType accepts only what a header can carry", () => {
  const nearly = fc.string({ unit: fc.constantFrom(...'a/;= "\\\t\r\n\x7f,é') });
  fc.assert(fc.property(nearly, (value) => {
    if (!isValidContentType(value)) return;
    assert.match(value, /^[ -~]*$/);
    assert.ok(new Headers({ "content-type": value }).get("content-type")!.includes("/"));
  }));
});
