/** Request lines and headers: too many, too long, or not of HTTP at all. */
import { type Abuse, Fault, sayAndFinish, UNTOUCHED, withWire, write } from "../abuse.ts";
import { mutateBytes } from "../mutate.ts";
import { encodeRequest } from "../request.ts";
import { makeRequest } from "../requests.ts";

const GARBAGE = [
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0".repeat(40),
  "\r\n".repeat(2000),
  "\n".repeat(2000),
  "\0".repeat(2000),
  "GET",
  "GET \r\n\r\n",
  " GET / HTTP/1.1\r\n\r\n",
  "GET  /health  HTTP/1.1\r\n\r\n",
  "GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
  "GET /health HTTP/1.1\nHost: x\n\n",
  "GET /health HTTP/0.9\r\n\r\n",
  "GET /health\r\n",
  "GET /he\0alth HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /he\x7falth HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /v1/stream/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /v1/stream/caf\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET //evil.example/v1/stream/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET /health HTTP/1.1\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: \xff\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: x y\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: \r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: x:99999\r\n\r\n",
  "PUT /v1/stream/t0 HTTP/1.1\r\nHost: [::1\r\nContent-Length: 0\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
  "GET /health HTTP/1.1\r\n: x\r\n\r\n",
  "GET /health HTTP/1.1\r\nHost x\r\n\r\n",
  "GET /health HTTP/1.1\r\nH\0st: x\r\n\r\n",
  "GET /health HTTP/1.1\r\nX: a\0b\r\n\r\n",
  "GET /health HTTP/1.1\r\nX: a\rb\r\n\r\n",
];

/** HTTP/2 without TLS, which Deno speaks: frames that make no sense follow. */
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS = "\0\0\0\x04\0\0\0\0\0";

export const HEAD_ABUSES: readonly Abuse[] = [
  {
    name: "garbage",
    weight: 10,
    async run(context) {
      await sayAndFinish(context, context.random.pick(GARBAGE));
      return 1;
    },
  },
  {
    name: "random bytes",
    weight: 3,
    async run(context) {
      const { random } = context;
      const bytes = random.bytes(random.size(5000));
      await sayAndFinish(context, Buffer.from(bytes).toString("latin1"));
      return 1;
    },
  },
  {
    name: "a request with bytes changed anywhere",
    weight: 14,
    async run(context) {
      const { random } = context;
      const request = makeRequest(random);
      const bytes = mutateBytes(random, encodeRequest(request));
      // What it means now is anybody's guess; an event stream of a minute is not waited for.
      const text = Buffer.from(bytes).toString("latin1").replaceAll("live=s", "live=x");
      await sayAndFinish(context, text);
      return 1;
    },
  },
  {
    name: "a flood of headers",
    weight: 3,
    async run(context) {
      const { random } = context;
      const count = random.pick([50, 99, 101, 500, 5000]);
      const name = random.pick(["X", "Cookie", "Content-Type", "Producer-Id", "Host"]);
      const flood = Array.from({ length: count }, (_, at) => `${name}: ${at}\r\n`).join("");
      await sayAndFinish(context, `GET ${UNTOUCHED} HTTP/1.1\r\nHost: localhost\r\n${flood}\r\n`);
      return 1;
    },
  },
  {
    name: "a header without end",
    weight: 1,
    async run(context) {
      const size = context.random.pick([10_000, 100_000, 1_000_000]);
      const text = `GET ${UNTOUCHED} HTTP/1.1\r\nX: ${"x".repeat(size)}`;
      await sayAndFinish(context, context.random.chance(0.5) ? text : text + "\r\n\r\n");
      return 1;
    },
  },
  {
    name: "an enormous request line",
    weight: 1,
    async run(context) {
      const size = context.random.pick([9000, 70_000, 1_000_000]);
      const place = context.random.pick(["", "?offset=", "%2F"]);
      const line = `GET ${UNTOUCHED}${place}${"0".repeat(size)} HTTP/1.1\r\n`;
      await sayAndFinish(context, `${line}Host: localhost\r\n\r\n`);
      return 1;
    },
  },
  {
    name: "HTTP/1.0",
    weight: 3,
    async run(context) {
      const { random } = context;
      const target = random.pick([UNTOUCHED, "/health", `${UNTOUCHED}?offset=-1&live=long-poll`]);
      const alive = random.chance(0.5) ? "Connection: keep-alive\r\n" : "";
      await sayAndFinish(context, `GET ${target} HTTP/1.0\r\n${alive}\r\n`);
      return 1;
    },
  },
  {
    name: "HTTP/2 that breaks off",
    weight: 2,
    async run(context) {
      const { random } = context;
      const frames = Buffer.from(random.bytes(random.size(500))).toString("latin1");
      return await withWire(context, async (wire) => {
        await write(wire, PREFACE + (random.chance(0.7) ? SETTINGS : "") + frames);
        wire.finish();
        if (!await wire.closed(15_000)) throw new Fault("the connection was left open");
        return 1;
      });
    },
  },
  {
    name: "upgrades",
    weight: 3,
    async run(context) {
      const upgrade = context.random.pick([
        "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "Upgrade: TLS/1.2\r\n",
      ]);
      const connection = "Connection: Upgrade, HTTP2-Settings\r\n";
      await sayAndFinish(
        context,
        `GET ${UNTOUCHED} HTTP/1.1\r\nHost: localhost\r\n${connection}${upgrade}\r\n`,
      );
      return 1;
    },
  },
];
