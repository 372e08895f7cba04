import assert from "node:assert/strict";
import { parseLog } from "../../bench/load/pgbench.ts";
import { luaScript, parseWrk } from "../../bench/load/wrk.ts";

const load = { url: "http://127.0.0.1:1", connections: 64, seconds: 1 } as const;

Deno.test("the Lua script has the method, the headers and a body of the length asked for", () => {
  const headers = { "If-None-Match": '"a"' };
  const script = luaScript({ ...load, method: "POST", path: "/a", headers, bodyBytes: 100 });
  assert.match(script, /wrk\.method = "POST"/);
  assert.match(script, /wrk\.headers\["If-None-Match"\] = "\\"a\\""/);
  assert.match(script, /string\.rep\("x", 100\)/);
  assert.match(script, /wrk\.path = "\/a"/);
});

Deno.test("numbered paths go around their count; without one they never repeat", () => {
  const around = luaScript({ ...load, method: "POST", path: "/s-{n}", paths: 1000 });
  assert.match(around, /made, limit, cache = 0, 1000,/);
  const endless = luaScript({ ...load, method: "PUT", path: "/s-{n}" });
  assert.match(endless, /made, limit, cache = 0, 0,/);
});

Deno.test("wrk's result is the line of JSON among its words", () => {
  const json = `{"requests":10,"seconds":1.0,"errors":0,"p50Millis":1.5,"p99Millis":2}`;
  assert.equal(parseWrk(`Running 1s test\n${json}\n`).p50Millis, 1.5);
  assert.throws(() => parseWrk("unable to connect"), /unable to connect/);
});

Deno.test("pgbench's log is read by its third field, microseconds", () => {
  const log = [300, 100, 200].map((micros, n) => `0 ${n} ${micros} 0 1700000000 5`).join("\n");
  assert.deepEqual(parseLog(log + "\n"), { inserts: 3, p50Millis: 0.2, p99Millis: 0.3 });
});
