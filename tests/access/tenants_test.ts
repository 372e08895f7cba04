/**
 * Two tenants do the same things with the same names on one server, and each has a server of its own
 * beside it: all that a tenant is answered has to be what its own server answers.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { request as requestHttp } from "node:http";
import fc from "fast-check";
import { serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, secretFiles } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const args = ["--admin-token-file", files.path("admin")];
const shared = serverForThisFile("postgres", { args });
const TENANTS = ["tenant-one-7f3a", "tenant-two-b91c"] as const;
const own = TENANTS.map(() => serverForThisFile("embedded", { args }));
const ALL = ["read,append,create,delete,subscribe,list,admin:**"];

interface Request {
  readonly method: string;
  /** Below `/v1/stream/`, as it is sent. */
  readonly path: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

/** Sends the path as it stands, which `fetch` would not. Answers the status, headers and body as text. */
function send(base: string, token: string, { method, path, body, headers }: Request) {
  const { hostname, port } = new URL(base);
  return new Promise<{ text: string; raw: string }>((resolve, reject) => {
    const sent = requestHttp({
      ...{ hostname, port, method, path: `/v1/stream/${path}` },
      headers: {
        host: "localhost",
        authorization: `Bearer ${token}`,
        ...body === undefined ? {} : {
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(body)),
        },
        ...headers,
      },
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => {
        const kept = Object.entries(response.headers).filter(([name]) => !OWN.includes(name));
        const raw = `${response.statusCode} ${JSON.stringify(kept.sort())} ${text}`;
        resolve({ raw, text: normalized(raw) });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Of each answer; the runtime's own. */
const OWN = ["date", "connection", "keep-alive", "content-length", "transfer-encoding", "vary"];

/** Without what differs between two servers that were asked the same: times, keys, ids of rows. */
function normalized(text: string): string {
  return text
    .replace(/(\d{16})_\d{16}/g, "$1")
    .replace(/\["etag","[^\]]*\]/g, '["etag"]')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/pst_[\w-]{43}/g, "TOKEN")
    .replace(/"(token|wake_id|id|kid|x)":"[\w.-]{20,}"/g, '"$1":"RANDOM"')
    .replace(/expires=\d+&key=[\w-]+&signature=[\w-]+/g, "SIGNED")
    .replace(/"generation":\d+/g, '"generation":0')
    .replace(/127\.0\.0\.1:\d+/g, "ADDRESS");
}

/** Names of streams as they are sent. The others of each namespace are tried from within, and from above. */
const NAMES = [
  ...[
    "x",
    "y",
    "a/b",
    "a%2fb",
    "a%5cb",
    "..",
    "../x",
    "%2e%2e/x",
    "a/../x",
    ".",
    "x/",
    "//x",
    "/x",
  ],
  ...TENANTS.flatMap((
    name,
  ) => [name, `${name}/x`, `../${name}/x`, `%2e%2e/${name}/x`, `/${name}/x`]),
  ...["__ds", "%5f%5fds/tokens", "__ds/../x", "%78", "x%00", "%ff", "*", "**", "%2A"],
];
const GLOBS = [
  "*",
  "**",
  "*/x",
  "a/*",
  "**/x",
  "../*",
  "%2A",
  "x",
  ...TENANTS.map((t) => `${t}/**`),
];

const name = fc.constantFrom(...NAMES);
const plain = fc.constantFrom("x", "y", "a/b", "../x", "/x", ...TENANTS.map((t) => `${t}/x`));
const id = fc.constantFrom("s", "t", "s%2Fx", "..", TENANTS[1]);
const at = (path: fc.Arbitrary<string>, build: (path: string) => Request) => path.map(build);
const json = (value: unknown) => JSON.stringify(value);

/** `R` stands for what is new in each run, so that nothing is there yet. */
const operation: fc.Arbitrary<Request> = fc.oneof(
  at(name, (path) => ({ method: "PUT", path: `R/${path}`, body: json(["put"]) })),
  at(name, (path) => ({ method: "PUT", path, body: json(["put"]) })),
  fc.tuple(name, name).map(([path, source]) => ({
    method: "PUT",
    path: `R/${path}`,
    headers: { "stream-forked-from": `/v1/stream/R/${source}` },
  })),
  fc.tuple(name, plain).map(([path, source]) => ({
    method: "PUT",
    path: `R/${path}`,
    headers: { "stream-forked-from": source },
  })),
  at(name, (path) => ({ method: "POST", path: `R/${path}`, body: json({ n: 1 }) })),
  at(name, (path) => ({ method: "POST", path: `R/${path}`, headers: { "stream-closed": "true" } })),
  at(name, (path) => ({ method: "GET", path: `R/${path}` })),
  at(name, (path) => ({ method: "GET", path })),
  at(name, (path) => ({ method: "GET", path: `R/${path}?offset=now&live=bogus` })),
  at(name, (path) => ({ method: "HEAD", path: `R/${path}` })),
  at(name, (path) => ({ method: "DELETE", path: `R/${path}` })),
  at(name, (path) => ({ method: "PATCH", path: `R/${path}` })),
  fc.tuple(name, fc.constantFrom("-1", "now")).map(([path, before]) => ({
    method: "POST",
    path: `__ds/streams/R/${path}/trim`,
    body: json({ before }),
  })),
  fc.tuple(id, fc.constantFrom(...GLOBS), plain).map(([sub, pattern, path]) => ({
    method: "PUT",
    path: `__ds/subscriptions/R${sub}`,
    body: json({ type: "pull-wake", pattern: `R/${pattern}`, streams: [path], wake_stream: "R/w" }),
  })),
  at(id, (sub) => ({ method: "GET", path: `__ds/subscriptions/R${sub}` })),
  at(id, (sub) => ({ method: "DELETE", path: `__ds/subscriptions/R${sub}` })),
  at(id, (sub) => ({
    method: "POST",
    path: `__ds/subscriptions/R${sub}/claim`,
    body: json({ worker: "w" }),
  })),
  fc.tuple(id, plain).map(([sub, path]) => ({
    method: "POST",
    path: `__ds/subscriptions/R${sub}/streams`,
    body: json({ streams: [path] }),
  })),
  fc.tuple(id, name).map(([sub, path]) => ({
    method: "DELETE",
    path: `__ds/subscriptions/R${sub}/streams/${path}`,
  })),
  at(fc.constantFrom("k", "l"), (token) => ({
    method: "POST",
    path: "__ds/tokens",
    body: json({ name: `R${token}`, rules: ["read:R/**"], namespace: token === "k" ? null : "in" }),
  })),
  fc.constant({ method: "GET", path: "__ds/tokens" }),
  fc.constantFrom("streams", "usage", "subscriptions").chain((what) =>
    fc.constantFrom(
      "",
      "?prefix=R/",
      "?prefix=R/x",
      `?prefix=${TENANTS[0]}`,
      "?prefix=..",
      "?limit=2",
    )
      .map((query) => ({ method: "GET", path: `__ds/${what}${query}` }))
  ),
  at(name, (path) => ({ method: "GET", path: `__ds/streams/R/${path}` })),
  at(fc.constantFrom("k", "l", `/${TENANTS[0]}/k`), (token) => ({
    method: "DELETE",
    path: `__ds/tokens/R${token}`,
  })),
  at(plain, (path) => ({
    method: "POST",
    path: "__ds/sign",
    body: json({ path: `R/${path}`, operation: "read", expires_in_seconds: 60 }),
  })),
  fc.constantFrom("__ds/sign/keys", "__ds/nothing", "__ds/subscriptions", "__ds/sign/x")
    .map((path) => ({ method: "GET", path })),
);

/** What both do first, so that what follows meets streams, forks, patterns and a wake. */
const BEGINNING: readonly Request[] = [
  { method: "PUT", path: "R/w", body: "[]" },
  {
    method: "PUT",
    path: "__ds/subscriptions/Rs",
    body: json({ type: "pull-wake", pattern: "R/**", streams: ["R/e"], wake_stream: "R/w" }),
  },
  { method: "PUT", path: "R/x", body: json([1, 2]) },
  { method: "PUT", path: "R/f", headers: { "stream-forked-from": "/R/x" } },
  { method: "POST", path: "R/x", body: json(3) },
  { method: "GET", path: "__ds/subscriptions/Rs" },
  { method: "POST", path: "__ds/subscriptions/Rs/claim", body: json({ worker: "w" }) },
  { method: "POST", path: "__ds/streams/R/x/trim", body: json({ before: "now" }) },
  { method: "GET", path: "R/x" },
  { method: "GET", path: "R/f" },
  { method: "GET", path: "__ds/streams?prefix=R/" },
  { method: "GET", path: "__ds/streams/R/f" },
  { method: "GET", path: "__ds/streams/R/x" },
  { method: "GET", path: "__ds/usage?prefix=R/" },
  { method: "GET", path: "__ds/subscriptions" },
];

/** Until both servers have linked the streams that a pattern matches. */
const LINKED_MS = 5000;

/** Only what shows links may differ for a moment. */
function showsLinks({ method, path }: Request): boolean {
  return method === "GET" && /^__ds\/(?:subscriptions\b|streams\/)/.test(path);
}

/** The server's public keys are nobody's: what tenants do does not change them. */
const publicKeys = async () => (await ask(`${shared.url}/v1/stream/__ds/jwks.json`)).body;

Deno.test("a tenant sees what a server of its own would show", async () => {
  const tokens = await Promise.all(TENANTS.map(async (namespace) => {
    const made = await ask(`${shared.url}/v1/stream/__ds/tokens`, {
      method: "POST",
      token: ADMIN,
      body: { name: `of-${namespace}`, namespace, rules: ALL },
    });
    assert.equal(made.status, 201);
    return made.body.token as string;
  }));
  const published = await publicKeys();
  let run = 0;
  let compared = 0;
  const tenant = fc.constantFrom(0, 1);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(tenant, operation), { minLength: 10, maxLength: 40 }),
      async (operations) => {
        const mark = `r${++run}`;
        const started = BEGINNING.flatMap((request): [number, Request][] => [
          [0, request],
          [1, request],
        ]);
        for (const [who, { path, body, headers = {}, ...rest }] of [...started, ...operations]) {
          const marked = (text: string) => text.replace(/\bR/g, mark);
          const request: Request = {
            ...rest,
            path: marked(path),
            ...body === undefined ? {} : { body: marked(body) },
            headers: Object.fromEntries(
              Object.entries(headers).map(([key, value]) => [key, marked(value)]),
            ),
          };
          const both = () =>
            Promise.all([
              send(shared.url, tokens[who]!, request),
              send(own[who]!.url, ADMIN, request),
            ]);
          let [got, expected] = await both();
          // A pattern links new streams a moment after they are made, on each server at its own time.
          const deadline = performance.now() + LINKED_MS;
          while (
            showsLinks(request) && got.text !== expected.text && performance.now() < deadline
          ) [got, expected] = await both();
          assert.equal(got.text, expected.text, `${who}: ${JSON.stringify(request)}`);
          compared++;
        }
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
  assert.ok(compared > 150, `${compared} answers`);
  assert.deepEqual(await publicKeys(), published);
});
