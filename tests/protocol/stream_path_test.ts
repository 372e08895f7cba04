/** Stream paths: one name a stream, and nothing that two proxies might read differently. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseStreamPath,
  parseStreamReference,
  STREAM_PREFIX,
  streamUrlPath,
} from "../../src/protocol/stream_path.ts";

/** The stream's path; null when it was refused, as what paths are refused as. */
function parsed(raw: string): string | null {
  const result = parseStreamPath(raw);
  if ("value" in result) return result.value;
  assert.ok(result.refusal.kind === "invalid");
  assert.equal(result.refusal.code, "INVALID_PATH");
  return null;
}

Deno.test("parseStreamPath decodes the segments below the prefix", () => {
  for (
    const [raw, path] of [
      ["a", "a"],
      ["Orders_2024-01.log", "Orders_2024-01.log"],
      ["a/b/c", "a/b/c"],
      [".hidden", ".hidden"],
      ["...", "..."],
      ["a..b/..c", "a..b/..c"],
      ["caf%C3%A9", "café"],
      ["%F0%9F%98%80", "😀"],
      ["a%20b%3Fc%23d", "a b?c#d"],
      ["a%2Bb+c", "a+b+c"],
      // Decoded once and never again.
      ["%252e%252e", "%2e%2e"],
      ["a%252Fb", "a%2Fb"],
      ["%2500", "%00"],
      // Reserved is the first segment alone, and the whole of it.
      ["__dsx", "__dsx"],
      ["__d", "__d"],
      ["a/__ds", "a/__ds"],
      ["__DS/x", "__DS/x"],
    ] as const
  ) assert.equal(parsed(STREAM_PREFIX + raw), path, raw);
});

Deno.test("parseStreamPath refuses what is not below the prefix", () => {
  for (const path of ["", "/", "/v1/stream", "/v1/streams/a", "/v2/stream/a", "v1/stream/a"]) {
    assert.equal(parsed(path), null, path);
  }
});

Deno.test("parseStreamPath refuses empty segments and traversal, however they are spelt", () => {
  for (
    const raw of [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "a/../b",
      "a/..",
      "./a",
      "%2e",
      "%2e%2e/a",
      "%2E.",
      ".%2e/x",
      "a/%2e%2E/%2e%2e/etc/passwd",
    ]
  ) assert.equal(parsed(STREAM_PREFIX + raw), null, raw);
});

Deno.test("parseStreamPath refuses encoded slashes, backslashes and control characters", () => {
  for (
    const raw of [
      "a%2fb",
      "a%2Fb",
      "..%2f..%2fetc",
      "a%5cb",
      "a%5Cb",
      "a\\b",
      "..\\..\\x",
      "a%00",
      "%00",
      "a\0b",
      "a%0ab",
      "a%0d%0aX-Injected:%201",
      "a%09b",
      "a%1fb",
      "a%7f",
    ]
  ) assert.equal(parsed(STREAM_PREFIX + raw), null, JSON.stringify(raw));
});

Deno.test("parseStreamPath refuses what is not percent-encoded UTF-8", () => {
  for (
    const raw of [
      "%",
      "a%2",
      "%zz",
      "%u0041",
      "%ff",
      "%c3",
      "%c3%28",
      "%80",
      // Overlong forms of / and ., a surrogate, and what is beyond U+10FFFF.
      "%c0%af",
      "%c0%ae%c0%ae",
      "%ed%a0%80",
      "%f5%80%80%80",
      // What a lenient decoder before us would have put for any of these.
      "%ef%bf%bd",
      "\ufffd",
    ]
  ) assert.equal(parsed(STREAM_PREFIX + raw), null, raw);
});

Deno.test("parseStreamPath keeps the first segment __ds for subscriptions", () => {
  for (const raw of ["__ds", "__ds/", "__ds/subscriptions/x", "%5f%5fds/x", "__%64s", "_%5Fds"]) {
    assert.equal(parsed(STREAM_PREFIX + raw), null, raw);
  }
});

Deno.test("parseStreamPath bounds the decoded path to 1024 bytes of UTF-8", () => {
  for (
    const [longest, encoded] of [
      ["a".repeat(1024), "a".repeat(1024)],
      ["é".repeat(512), "%C3%A9".repeat(512)],
      ["€".repeat(341), "%E2%82%AC".repeat(341)],
      [
        "a234567890123456/".repeat(60) + "b".repeat(4),
        "a234567890123456/".repeat(60) + "b".repeat(4),
      ],
    ] as const
  ) {
    assert.equal(parsed(STREAM_PREFIX + encoded), longest);
    assert.equal(parsed(STREAM_PREFIX + encoded + "xx"), null);
  }
  assert.equal(parsed(STREAM_PREFIX + "a".repeat(1025)), null);
  assert.equal(parsed(STREAM_PREFIX + "%E2%82%AC".repeat(342)), null);
});

Deno.test("parseStreamPath bounds the number of segments to 64", () => {
  const longest = "a/".repeat(63) + "a";
  assert.equal(parsed(STREAM_PREFIX + longest), longest);
  assert.equal(parsed(`${STREAM_PREFIX}${longest}/a`), null);
});

Deno.test("streamUrlPath encodes whatever a URL would read otherwise", () => {
  assert.equal(streamUrlPath("a/b c?d#e%2f"), "/v1/stream/a/b%20c%3Fd%23e%252f");
  assert.equal(streamUrlPath("café"), "/v1/stream/caf%C3%A9");
});

const segment = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(
    fc.constantFrom("%", "2f", "%2e", ".", "?", "#", "+", " ", "__ds", "é", "😀", "&=;", "\u2028"),
    { maxLength: 6 },
  ).map((parts) => parts.join("")),
)
  // deno-lint-ignore no-control-regex
  .map((text) => text.toWellFormed().replace(/[\x00-\x1f\x7f\ufffd/\\]/g, ""))
  .filter((text) => text !== "" && text !== "." && text !== "..");

Deno.test("parseStreamPath reads back every path that streamUrlPath writes", () => {
  const path = fc.array(segment, { minLength: 1, maxLength: 5 })
    .filter((segments) => segments[0] !== "__ds")
    .map((segments) => segments.join("/"));
  fc.assert(
    fc.property(path, (name) => {
      const url = streamUrlPath(name);
      assert.match(url, /^[!-~]+$/);
      assert.equal(parsed(url), name);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("whatever parseStreamPath lets pass is one sound name, the same again when written", () => {
  const piece = fc.constantFrom(
    ..."/ . .. %2e %2F %5c \\ %00 %0a %c0%af %25 %252e __ds %5f_ds a b %C3%A9 %ff é // ~".split(
      " ",
    ),
  );
  let passed = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const name = parsed(STREAM_PREFIX + pieces.join(""));
      if (name === null) return;
      passed++;
      const segments = name.split("/");
      assert.ok(segments.every((text) => text !== "" && text !== "." && text !== ".."), name);
      assert.notEqual(segments[0], "__ds");
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(name, /[\x00-\x1f\x7f\\]/);
      assert.equal(parsed(streamUrlPath(name)), name);
    }),
    { numRuns: 2000 },
  );
  assert.ok(passed > 100, `only ${passed} paths passed`);
});

Deno.test("parseStreamReference takes a name, a path, and a URL of this server", () => {
  const isOwnHost = (host: string) => host === "here:1";
  const sameStream = [
    "a%20b/c",
    "/a%20b/c",
    "/v1/stream/a%20b/c",
    "http://here:1/v1/stream/a%20b/c",
    "HTTPS://here:1/v1/stream/a%20b/c",
  ];
  for (const text of sameStream) {
    assert.deepEqual(parseStreamReference(text, isOwnHost), { value: "a b/c" }, text);
  }
  const code = (text: string) => {
    const parsed = parseStreamReference(text, isOwnHost);
    return "refusal" in parsed && parsed.refusal.kind === "invalid" ? parsed.refusal.code : parsed;
  };
  assert.equal(code("http://there/v1/stream/a"), "FOREIGN_STREAM");
  const refused = [
    ...["", "/", "//here:1/v1/stream/a", "a?b", "a#b", "a\\b", "/v1/stream/../a", "__ds/x"],
    ...[
      "http://here:1",
      "http://here:1/a",
      "http://u@here:1/v1/stream/a",
      "ftp://here:1/v1/stream/a",
    ],
  ];
  for (const text of refused) assert.equal(code(text), "INVALID_PATH", text);
});
