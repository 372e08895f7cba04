import assert from "node:assert/strict";
import { ResponseCache } from "../../src/http/response_cache.ts";

const response = (text: string) =>
  new Response(new TextEncoder().encode(text), { headers: { ETag: '"1:0:3"' } });

Deno.test("a response is returned again, whole, as often as it is asked for", async () => {
  const responses = new ResponseCache();
  assert.equal(responses.get(0, '"1:0:3"'), null);
  const first = responses.set(0, '"1:0:3"', response("abc"));
  const again = [responses.get(0, '"1:0:3"'), responses.get(0, '"1:0:3"')];
  for (const given of [first, ...again]) {
    assert.equal(await given!.text(), "abc");
    assert.equal(given!.headers.get("ETag"), '"1:0:3"');
  }
});

Deno.test("what was read in an earlier epoch is neither returned nor cached in a later one", async () => {
  const responses = new ResponseCache();
  responses.set(0, "a", response("old"));
  assert.equal(responses.get(1, "a"), null);
  // A read that began before the database was replaced, and ends after it.
  assert.equal(await responses.set(0, "a", response("old")).text(), "old");
  assert.equal(responses.get(0, "a"), null);
  assert.equal(responses.get(1, "a"), null);
});

Deno.test("the responses that were not used for longest make room for new ones", () => {
  const responses = new ResponseCache();
  for (let n = 0; n < 600; n++) {
    responses.set(0, String(n), response("x"));
    assert.notEqual(responses.get(0, "0"), null, "it is in use all the time");
  }
  const cached = Array.from({ length: 600 }, (_, n) => responses.get(0, String(n)))
    .flatMap((given, n) => given === null ? [] : [n]);
  assert.deepEqual(cached, [0, ...Array.from({ length: 511 }, (_, n) => 89 + n)]);
});
