/** `splitUrl`: the path as it was sent. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { splitUrl } from "../../src/http/router.ts";

Deno.test("splitUrl splits a request's URL", () => {
  for (
    const [url, path, query] of [
      ["http://localhost:4437/v1/stream/a", "/v1/stream/a", ""],
      ["http://localhost/v1/stream/a?offset=-1&live=sse", "/v1/stream/a", "offset=-1&live=sse"],
      ["https://[::1]:8080/a?b", "/a", "b"],
      ["http://host/", "/", ""],
      ["http://host", "/", ""],
      ["http://host/a?", "/a", ""],
      ["http://host/a?b?c/d", "/a", "b?c/d"],
      ["http://host/a#f", "/a", ""],
      ["http://host/a?b#f", "/a", "b"],
      ["http://host/a#f?b", "/a", ""],
    ] as const
  ) assert.deepEqual(splitUrl(url), { path, query }, url);
});

Deno.test("splitUrl resolves and decodes nothing", () => {
  for (
    const path of ["/v1/stream/a/../b", "/./a", "//a//b", "/%2e%2e/%2F", "/a://b", "/a\\b", "/é"]
  ) assert.deepEqual(splitUrl(`http://host${path}`), { path, query: "" });
});

Deno.test("splitUrl gives back path and query of every URL", () => {
  const text = fc.array(fc.constantFrom("a", "/", "..", ":", "%2f", "&", "=", "//", "@"))
    .map((parts) => parts.join(""));
  fc.assert(fc.property(text, text, (rest, query) => {
    const url = `http://host:1${`/${rest}`}?${query}`;
    assert.deepEqual(splitUrl(url), { path: `/${rest}`, query });
  }));
});
