import assert from "node:assert/strict";
import { ResponseCache } from "../../src/http/response_cache.ts";

const answer = (text: string) =>
  new Response(new TextEncoder().encode(text), { headers: { ETag: '"1:0:3"' } });

Deno.test("an answer is given again, whole, as often as it is asked for", async () => {
  const answers = new ResponseCache();
  assert.equal(answers.get(0, '"1:0:3"'), null);
  const first = answers.keep(0, '"1:0:3"', answer("abc"));
  const again = [answers.get(0, '"1:0:3"'), answers.get(0, '"1:0:3"')];
  for (const given of [first, ...again]) {
    assert.equal(await given!.text(), "abc");
    assert.equal(given!.headers.get("ETag"), '"1:0:3"');
  }
});

Deno.test("what was read in an earlier era is neither given nor kept in a later one", async () => {
  const answers = new ResponseCache();
  answers.keep(0, "a", answer("old"));
  assert.equal(answers.get(1, "a"), null);
  // A read that began before the database was replaced, and ends after it.
  assert.equal(await answers.keep(0, "a", answer("old")).text(), "old");
  assert.equal(answers.get(0, "a"), null);
  assert.equal(answers.get(1, "a"), null);
});

Deno.test("the answers kept longest make room for new ones", () => {
  const answers = new ResponseCache();
  for (let n = 0; n < 600; n++) answers.keep(0, String(n), answer("x"));
  assert.equal(answers.get(0, "0"), null);
  assert.notEqual(answers.get(0, "599"), null);
  const kept = Array.from({ length: 600 }, (_, n) => answers.get(0, String(n)))
    .filter((given) => given !== null);
  assert.equal(kept.length, 512);
});
