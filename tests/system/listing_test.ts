/** The listing (docs/extensions.md), page by page: what is in it, in which order, and by which filters. */
import assert from "node:assert/strict";
import { createStream } from "../support/http.ts";
import { getJson, listAll, type Page, pathsOf } from "./listing.ts";
import { eventually, expectError, expectStatus, serverForThisFile } from "./support.ts";

const SERVERS = {
  "deno, postgres": serverForThisFile("postgres"),
  "bun, embedded": serverForThisFile("embedded", { runtime: "bun" }),
};

for (const [name, server] of Object.entries(SERVERS)) {
  Deno.test(`pages go in byte order, each stream once, whatever is written: ${name}`, async () => {
    const base = server.url;
    const names = [
      "-",
      "a",
      "a b",
      "a/b",
      "a-b",
      "ab",
      "Z",
      "é",
      "\u{fffc}",
      "\u{1f600}",
      "%",
      "_",
    ];
    const all = [...names, ...names.map((text) => `${text}/x`)].map((text) => `order/${text}`);
    await Promise.all(
      all.map((path) => createStream(base, path.split("/").map(encodeURIComponent).join("/"))),
    );
    const utf8 = new TextEncoder();
    const hex = (text: string) => utf8.encode(text).toHex();
    const expected = all.toSorted((a, b) => hex(a) < hex(b) ? -1 : 1);
    for (const limit of [1, 2, 7, 24, 1000]) {
      assert.deepEqual(pathsOf(await listAll(base, `prefix=order/&limit=${limit}`)), expected);
    }
    assert.deepEqual(
      pathsOf(await listAll(base, "prefix=order/a")),
      expected.filter((path) => path.startsWith("order/a")),
    );

    const first = await getJson<Page>(`${base}/v1/stream/__ds/streams?prefix=order/&limit=5`);
    await createStream(base, "order/-0");
    await fetch(`${base}/v1/stream/order/_`, { method: "DELETE" });
    const rest = await listAll(
      base,
      `prefix=order/&limit=3`,
    ).then((entries) => pathsOf(entries));
    assert.ok(rest.includes("order/-0") && !rest.includes("order/_"));
    const after = encodeURIComponent(first.next_after!);
    const second = await getJson<Page>(
      `${base}/v1/stream/__ds/streams?prefix=order/&after=${after}`,
    );
    assert.deepEqual(
      [...pathsOf(first.streams), ...pathsOf(second.streams)],
      expected.filter((path) => path !== "order/_"),
    );
  });

  Deno.test(`what has ended is not listed: ${name}`, async () => {
    const base = server.url;
    await createStream(base, "ended/deleted");
    await fetch(`${base}/v1/stream/ended/deleted`, { method: "DELETE" });
    await createStream(base, "ended/source");
    await createStream(base, "ended/fork", { headers: { "stream-forked-from": "ended/source" } });
    await fetch(`${base}/v1/stream/ended/source`, { method: "DELETE" });
    await createStream(base, "ended/expired", {
      headers: { "stream-expires-at": new Date(Date.now() + 700).toISOString() },
    });
    await eventually(10_000, "the stream has expired", async () => {
      const listed = pathsOf(await listAll(base, "prefix=ended/"));
      return listed.join() === "ended/fork" || undefined;
    });
    for (const path of ["deleted", "source", "expired", "never"]) {
      const response = await fetch(`${base}/v1/stream/__ds/streams/ended/${path}`);
      assert.equal(await expectError(response, 404), "STREAM_NOT_FOUND");
    }
  });

  Deno.test(`labels: HEAD, the filter, and the same PUT again: ${name}`, async () => {
    const base = server.url;
    for (let at = 0; at < 30; at++) {
      await createStream(base, `label/${String(at).padStart(2, "0")}`, {
        headers: {
          "Stream-Label-Third": String(at % 3),
          "stream-label-even": String(at % 2 === 0),
        },
      });
    }
    const url = `${base}/v1/stream/label/04`;
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.headers.get("stream-label-third"), "1");
    const even = await listAll(base, "label=third:1&label=even:true&limit=2");
    assert.deepEqual(
      pathsOf(even),
      ["label/04", "label/10", "label/16", "label/22", "label/28"],
    );
    assert.deepEqual(await listAll(base, "label=third:1&prefix=other/"), []);
    assert.deepEqual(await listAll(base, "label=third:9"), []);

    const put = (headers: Record<string, string>) =>
      fetch(url, { method: "PUT", headers: { "content-type": "text/plain", ...headers } });
    const same = { "stream-label-third": "1", "stream-label-even": "true" };
    await expectStatus(await put(same), 200);
    await expectStatus(await put({}), 200);
    assert.equal(
      await expectError(await put({ ...same, "stream-label-more": "1" }), 409),
      "CONFLICT",
    );
    assert.equal(await expectError(await put({ "stream-label-third": "1" }), 409), "CONFLICT");
    const many = Object.fromEntries(
      Array.from({ length: 17 }, (_, at) => [`stream-label-${at}`, ""]),
    );
    for (
      const wrong of [
        many,
        { "stream-label-": "x" },
        { "stream-label-a_b": "x" },
        { [`stream-label-${"n".repeat(65)}`]: "x" },
        { "stream-label-a": "x".repeat(257) },
        { "stream-label-a": "\u00e9" },
      ]
    ) {
      assert.equal(
        await expectError(await put(wrong as Record<string, string>), 400),
        "INVALID_LABEL",
      );
    }
  });

  Deno.test(`bad input is refused: ${name}`, async () => {
    const list = `${server.url}/v1/stream/__ds/streams`;
    const wrong = [
      ...["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "offset=-1", "prefix=a&prefix=b"],
      ...["prefix=%00", "prefix=%ff", `prefix=${"x".repeat(1025)}`, "label=x", "label=A:b"],
      ...["label=a:1&label=a:2", `after=${"x".repeat(1025)}`],
    ];
    for (const query of wrong) {
      assert.equal(
        await expectError(await fetch(`${list}?${query}`), 400),
        "INVALID_REQUEST",
        query,
      );
    }
    assert.equal(
      await expectError(await fetch(list, { method: "PUT" }), 405),
      "METHOD_NOT_ALLOWED",
    );
    assert.equal(await expectError(await fetch(`${list}/a?b=c`), 400), "INVALID_REQUEST");
    assert.equal(await expectError(await fetch(`${list}/a%2fb`), 400), "INVALID_PATH");
  });
}
