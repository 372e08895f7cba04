/** `parseTarget`: the path and query as they were sent, or a refusal. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseTarget } from "../../src/http/request_target.ts";

const HOST = "h:1";

/** As `path?query @host`, or `refused`. */
function parsed(url: string, host: string | null = HOST): string {
  const target = parseTarget(url, host);
  if ("refusal" in target) return "refused";
  const { path, query, host: named } = target.value;
  return `${path}?${query} @${named}`;
}

Deno.test("parseTarget splits a request's URL", () => {
  for (
    const [url, host, expected] of [
      ["http://h:1/v1/stream/a", HOST, "/v1/stream/a? @h:1"],
      ["http://h:1/v1/stream/a?offset=-1&live=sse", HOST, "/v1/stream/a?offset=-1&live=sse @h:1"],
      ["https://[::1]:8080/a?b", "[::1]:8080", "/a?b @[::1]:8080"],
      ["http://h:1/", HOST, "/? @h:1"],
      ["http://h:1", HOST, "/? @h:1"],
      ["http://h:1/a?", HOST, "/a? @h:1"],
      ["http://h:1/a?b?c/d", HOST, "/a?b?c/d @h:1"],
      // HTTP/1.0 without Host: Deno makes up an authority, Bun leaves it out.
      ["http://localhost:4437/ready", null, "/ready? @null"],
      ["/ready", null, "/ready? @null"],
      ["/a/v1/stream/x", null, "/a/v1/stream/x? @null"],
      ["/v1/stream/a?b", "", "/v1/stream/a?b @"],
      // A target that is a URL goes before Host.
      ["http://other/a", HOST, "/a? @other"],
    ] as const
  ) assert.equal(parsed(url, host), expected, url);
});

Deno.test("parseTarget refuses what two servers might read differently", () => {
  for (
    const [url, host] of [
      ["http://h/v1/stream/secret?/v1/stream/t", "h/v1/stream/secret?"],
      ["/v1/stream/t", "h/v1/stream/secret?"],
      ["/v1/stream/t", "a, b"],
      ["http://u@h/a", "u@h"],
      ["http://a b/a", "a b"],
      ["http://h#x/a", "h#x"],
      ["http://h\\x/a", "h\\x"],
      ["x://y/v1/stream/private", HOST],
      ["x://y/v1/stream/private", null],
      ["http://h:1/a#f", HOST],
      ["http://h:1/a?b#f", HOST],
      ["http://u@other/a", HOST],
      ["", HOST],
    ] as const
  ) assert.equal(parsed(url, host), "refused", `${url} ${host}`);
});

Deno.test("parseTarget resolves and decodes nothing", () => {
  for (
    const path of ["/v1/stream/a/../b", "/./a", "//a//b", "/%2e%2e/%2F", "/a://b", "/a\\b", "/é"]
  ) assert.equal(parsed(`http://h:1${path}`), `${path}? @h:1`);
});

Deno.test("parseTarget gives back path and query of every URL", () => {
  const text = fc.array(fc.constantFrom("a", "/", "..", ":", "%2f", "&", "=", "//", "@"))
    .map((parts) => parts.join(""));
  fc.assert(fc.property(text, text, (rest, query) => {
    assert.equal(parsed(`http://h:1/${rest}?${query}`), `/${rest}?${query} @h:1`);
  }));
});
