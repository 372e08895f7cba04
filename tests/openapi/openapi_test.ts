/** Holds docs/openapi.yaml to a running server, in both directions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ADMIN, secretFiles } from "../access/support.ts";
import { serverForThisFile } from "../system/support.ts";
import { VERSION } from "../../src/version.ts";
import { type Answer, type Found, installReaders, OpenApi } from "./document.ts";
import { type Answers, type Step, STEPS } from "./requests.ts";

const readers = await installReaders();
const missing = "missing" in readers ? readers.missing : null;
if (missing !== null) console.log(`skipped: docs/openapi.yaml: ${missing}`);
const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const args = ["--admin-token-file", files.path("admin"), "--webhook-allow", "127.0.0.1"];
const server = serverForThisFile("postgres", { args });

function testFile(name: string, fn: (openApi: OpenApi) => Promise<void> | void): void {
  Deno.test({
    name: `docs/openapi.yaml ${name}`,
    ignore: missing !== null,
    fn: async () => await fn(new OpenApi("folder" in readers ? readers.folder : "")),
  });
}

async function send(
  { method, path, token = ADMIN, headers = {}, body }: Omit<Step, "status">,
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    redirect: "manual",
    headers: { ...token === null ? {} : { authorization: `Bearer ${token}` }, ...headers },
    ...body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) },
  });
  const { status } = response;
  return { method, path, status, headers: response.headers, text: await response.text() };
}

testFile("is an OpenAPI 3.1 file of this version", (openApi) => {
  assert.equal(openApi.faults(), null);
  assert.equal((openApi.document.info as { version: string }).version, VERSION.split("-")[0]);
});

testFile("says what each route answers, and each of its operations succeeds", async (openApi) => {
  const succeeded = new Set<string>();
  let known: Answers = { last: {}, headers: new Headers(), claim: {}, key: "", offset: "" };
  for (const step of STEPS) {
    const request = typeof step === "function" ? step(known) : step;
    const what = `${request.method} ${request.path}`;
    const found = openApi.find(request.method, request.path);
    assert.ok(found !== null, `${what} is not in the file`);
    const answer = await send(request);
    assert.equal(answer.status, request.status, `${what}: ${answer.text.slice(0, 300)}`);
    assert.deepEqual(openApi.mistakes(found, answer), [], what);
    if (answer.status < 400) {
      assert.deepEqual(openApi.requestMistakes(found, request.body ?? {}), [], `${what}: its body`);
      succeeded.add(found.name);
    }
    known = learn(known, found, answer);
  }
  // A webhook's token is not ours to have: what the route answers without it stands for it.
  const rest = openApi.operations.map(({ name }) => name).filter((name) => !succeeded.has(name));
  assert.deepEqual(rest, ["post /v1/stream/__ds/subscriptions/{id}/callback"]);
  const refused = await send({ method: "POST", path: `/v1/stream/__ds/subscriptions/x/callback` });
  const callback = openApi.find("POST", refused.path)!;
  assert.deepEqual(openApi.mistakes(callback, refused), []);
});

function learn(known: Answers, { name }: Found, { headers, text, status }: Answer): Answers {
  const isJson = headers.get("content-type")?.includes("json") === true && text !== "";
  const body = isJson ? JSON.parse(text) as Record<string, unknown> : {};
  const script = /assets\/[\w.-]+\.js/.exec(text)?.[0];
  return {
    headers,
    last: script === undefined ? { ...known.last, ...body } : { script },
    claim: name.endsWith("/claim") && status === 200 ? body : known.claim,
    key: name.endsWith("post /v1/stream/__ds/sign/keys") ? String(body.id) : known.key,
    offset: name.startsWith("put")
      ? headers.get("stream-next-offset") ?? known.offset
      : known.offset,
  };
}

testFile("describes the refusals: without credentials, and without rights", async (openApi) => {
  const created = await send({
    method: "POST",
    path: "/v1/stream/__ds/tokens",
    headers: { "content-type": "application/json" },
    body: { name: "elsewhere", rules: ["read:elsewhere"] },
  });
  const { token } = JSON.parse(created.text) as { token: string };
  for (const found of openApi.operations) {
    const [method = "", template = ""] = found.name.split(" ");
    const path = template.replaceAll(/\{\w+\}/g, "x");
    const isPublic = found.operation.security?.length === 0;
    for (const credentials of [null, token, ADMIN]) {
      const answer = await send({
        method: method.toUpperCase(),
        path,
        token: credentials,
        ...method === "put" || method === "post" ? { body: "{" } : {},
      });
      const what = `${found.name} with ${credentials === null ? "no" : "a"} token`;
      assert.deepEqual(openApi.mistakes(found, answer), [], what);
      if (!isPublic && credentials === null) assert.equal(answer.status, 401, what);
    }
  }
});

testFile("has the methods that the server allows, and no others", async (openApi) => {
  for (const template of Object.keys(openApi.paths)) {
    const path = template.replaceAll(/\{\w+\}/g, "x");
    const answer = await send({ method: "PATCH", path });
    if (template.startsWith("/_penstock/assets/")) continue; // there is none called x
    assert.equal(answer.status, 405, `${template}: ${answer.text}`);
    const described = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
      .filter((method) => openApi.find(method, path) !== null)
      // Every path below /v1/stream/ answers preflights; Allow names them for streams.
      .filter((method) => method !== "OPTIONS" || template === "/v1/stream/{path}");
    const allowed = answer.headers.get("allow")!.split(", ").toSorted();
    assert.deepEqual(described.toSorted(), allowed, template);
  }
});

testFile("has every route that tests/access/routes.ts knows", async (openApi) => {
  const source = readFileSync(join(import.meta.dirname!, "../access/routes.ts"), "utf8");
  const routes = [...source.matchAll(/\bpath: (?:`\$\{S\}([^`]*)`|"([^"]*)")/g)]
    .map(([, below, whole]) => whole ?? `/v1/stream${below}`);
  assert.ok(routes.length > 30, `only ${routes.length} found`);
  for (const path of routes) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE"]) {
      const answer = await send({ method, path, ...method[0] === "P" ? { body: "{" } : {} });
      const unknown = answer.status === 405 ||
        /"code":"(NOT_FOUND|INVALID_PATH)"/.test(answer.text);
      if (unknown || (method === "HEAD" && answer.status >= 400)) continue;
      const found = openApi.find(method, path);
      assert.ok(found !== null, `${method} ${path} is ${answer.status}, and not in the file`);
      assert.deepEqual(openApi.mistakes(found, answer), [], `${method} ${path}`);
    }
  }
});
