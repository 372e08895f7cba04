/**
 * The protocol's own conformance suite, against the server at CONFORMANCE_URL.
 *
 * Run by scripts/conformance.ts under vitest; not a file `deno test` would pick up.
 */
import process from "node:process";
// deno-lint-ignore no-import-prefix -- kept out of deno.json, see vitest.config.ts
import { runConformanceTests } from "npm:@durable-streams/server-conformance-tests@0.3.6";

const baseUrl = process.env.CONFORMANCE_URL;
if (baseUrl === undefined) throw new Error("CONFORMANCE_URL is not set");

runConformanceTests({
  baseUrl,
  longPollTimeoutMs: Number(process.env.CONFORMANCE_LONG_POLL_MS ?? "500"),
  subscriptions: true,
});
