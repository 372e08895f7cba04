/** X-Request-Id, and what a traced page of another origin may send and read. */
import assert from "node:assert/strict";
import { createStream } from "../support/http.ts";
import { serverForThisFile } from "./support.ts";

const ORIGIN = "https://app.example.com";

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", { runtime, args: ["--cors-origins", ORIGIN] });

  Deno.test(`${runtime}: a response has the name that its request was given`, async () => {
    const url = await createStream(node.url, undefined, { body: "x" });
    const requests: [string, RequestInit][] = [
      [url, {}],
      [url, { method: "HEAD" }],
      [url, { method: "POST", body: "x", headers: { "content-type": "text/plain" } }],
      [url, { method: "OPTIONS" }],
      [`${node.url}/v1/stream/none`, {}],
      [`${node.url}/live`, {}],
      [`${url}?offset=-1&live=sse`, {}],
    ];
    for (const [target, init] of requests) {
      // Twice: a response that is cached has a name of its own each time.
      for (let round = 0; round < 2; round++) {
        const response = await fetch(target, init);
        await response.body?.cancel();
        assert.equal(response.headers.get("x-request-id"), null);
        const name = `mine-${round}`;
        const named = await fetch(target, {
          ...init,
          headers: { ...init.headers, "x-request-id": name },
        });
        await named.body?.cancel();
        assert.equal(named.headers.get("x-request-id"), name);
      }
    }
    const odd = await fetch(url, { headers: { "x-request-id": "a b" } });
    await odd.body?.cancel();
    assert.match(odd.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  });

  Deno.test(`${runtime}: a traced page may send what its tracing adds, and read the name`, async () => {
    const url = await createStream(node.url);
    const preflight = await fetch(url, {
      method: "OPTIONS",
      headers: {
        origin: ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "baggage,traceparent,tracestate,x-request-id",
      },
    });
    await preflight.body?.cancel();
    const allowed = (preflight.headers.get("access-control-allow-headers") ?? "").toLowerCase();
    for (const name of ["traceparent", "tracestate", "baggage", "x-request-id"]) {
      assert.ok(allowed.split(", ").includes(name), name);
    }
    const response = await fetch(url, { headers: { origin: ORIGIN } });
    await response.body?.cancel();
    assert.match(response.headers.get("access-control-expose-headers") ?? "", /X-Request-Id/);
  });
}
