/** `--admin-port`: each listener serves its part, and knows nothing of the other's. */
import assert from "node:assert/strict";
import { ADMIN, secretFiles } from "../access/support.ts";
import { startServer } from "../support/server.ts";
import { freePort, freshStorage } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
Deno.test.afterAll(() => files.remove());

const status = async (url: string, method = "GET") => {
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${ADMIN}` } });
  await response.body?.cancel();
  return response.status;
};

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`${runtime}: health, metrics and admin routes leave the public port`, async () => {
    const storage = await freshStorage("embedded");
    const port = await freePort();
    const args = ["--admin-port", String(port), "--admin-token-file", files.path("admin")];
    const node = await startServer({ runtime, database: storage.database, args });
    const admin = `http://127.0.0.1:${port}`;
    try {
      await node.logged((line) => line.event === "admin_listening");
      for (const path of ["/health", "/live", "/ready", "/metrics", "/v1/stream/__ds/tokens"]) {
        assert.equal(await status(node.url + path), 404, path);
        assert.equal(await status(admin + path), 200, path);
      }
      assert.equal(await status(`${node.url}/v1/stream/a`, "PUT"), 201);
      assert.equal(await status(`${node.url}/v1/stream/a`), 200);
      assert.equal(await status(`${node.url}/v1/stream/__ds/jwks.json`), 200);
      assert.equal(await status(`${admin}/v1/stream/a`), 404);
      assert.equal(await status(`${admin}/v1/stream/a`, "DELETE"), 404);
      assert.equal(await status(`${admin}/v1/stream/__ds/jwks.json`), 404);
      // Encoded, it is neither here nor there.
      assert.notEqual(await status(`${node.url}/v1/stream/__ds/%74okens`), 200);
      assert.equal(await node.stop(), 0);
    } finally {
      await node.kill();
      await storage.remove();
    }
  });
}
