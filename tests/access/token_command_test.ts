/** `penstock token`, and rules for everyone and by templates, as operators and users meet them. */
import assert from "node:assert/strict";
import { token } from "../../src/client/commands/token.ts";
import { Workplace } from "../system/client_commands.ts";
import { serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, AUDIENCE, SECRET, secretFiles, signHmac } from "./support.ts";

const files = secretFiles({ admin: ADMIN, secret: `${SECRET}\n` });
globalThis.addEventListener("unload", () => files.remove());
const server = serverForThisFile("embedded", {
  args: [
    ...["--admin-token-file", files.path("admin"), "--jwt-secret-file", files.path("secret")],
    ...["--jwt-rules", "create,read,append:users/{sub}/**", "--jwt-audience", AUDIENCE],
    ...["--anonymous", "read:public/** create:public/*"],
  ],
});
const stream = (path: string) => `${server.url}/v1/stream/${path}`;
let work: Workplace;
Deno.test.beforeAll(() => {
  work = new Workplace(`${server.url}/v1/stream`);
});
Deno.test.afterAll(() => work.remove());

async function asAdmin(line: string): Promise<string> {
  const { code, stdout, stderr } = await work.shell(`export PENSTOCK_TOKEN=${ADMIN}; ${line}`);
  assert.equal(code, 0, `${line}\n${stderr}`);
  return stdout;
}

Deno.test("penstock token: every example of its help works as it stands", async () => {
  const help = await asAdmin("penstock token --help");
  for (const example of token.examples) {
    assert.ok(help.includes(example), example);
    await asAdmin(example);
  }
});

Deno.test("penstock token create prints the token alone, which then works until it is revoked", async () => {
  const rules = "--rules 'create,append:builds/** read:builds/*'";
  const printed = await asAdmin(`penstock token create --name build ${rules} --expires 1h`);
  assert.match(printed, /^pst_[A-Za-z0-9_-]{43}\n$/);
  const made = printed.trim();
  assert.equal((await work.shell(`penstock create builds/7 --token ${made}`)).code, 0);
  assert.match(
    await asAdmin("penstock token list"),
    /^build {2}append,create:builds\/\*\* read:builds\/\* {2}until \d{4}-/m,
  );
  assert.equal((await work.shell(`penstock token list --token ${made}`)).code, 5, "no admin");
  assert.equal((await work.shell(`penstock read elsewhere --token ${made}`)).code, 5);
  assert.equal(await asAdmin("penstock token revoke build"), "build revoked\n");
  assert.equal((await work.shell(`penstock create builds/8 --token ${made}`)).code, 5);
});

Deno.test("penstock token says what is wrong", async () => {
  const cases: [number, string, RegExp][] = [
    [2, "token", /needs <action>/],
    [2, "token make x", /none of create, list, revoke/],
    [2, "token create --name x", /--name and --rules/],
    [2, "token create --name x --rules write:a", /no operation/],
    [2, "token create --name x --rules read:a --expires soon", /soon/],
    [3, "token revoke none", /no token of this name/],
  ];
  for (const [code, line, said] of cases) {
    const ended = await work.shell(`export PENSTOCK_TOKEN=${ADMIN}; penstock ${line}`);
    assert.equal(ended.code, code, line);
    assert.match(ended.stderr, said);
    assert.ok(!ended.stderr.includes(ADMIN));
  }
  assert.equal((await work.shell("penstock token list")).code, 5, "without a token");
});

Deno.test("everyone may do what --anonymous says, with a token or without, and no more", async () => {
  const put = await ask(stream("public/a"), { method: "PUT", body: "x" });
  assert.equal(put.status, 201);
  assert.equal((await ask(stream("public/a"))).status, 200);
  assert.equal(
    (await ask(stream("public/a"), { method: "POST", body: "y" })).code,
    "UNAUTHENTICATED",
  );
  assert.equal((await ask(stream("private"))).code, "UNAUTHENTICATED");
  const other = await signHmac({ sub: "7" }, SECRET);
  assert.equal((await ask(stream("public/a"), { token: other })).status, 200);
  // What is no token is not taken for none.
  assert.equal((await ask(stream("public/a"), { token: "x" })).code, "CREDENTIALS_INVALID");
});

Deno.test("templates give each subject its own streams, whatever the subject is called", async () => {
  const as = (sub: string) => signHmac({ sub }, SECRET);
  const victim = await as("7");
  assert.equal(
    (await ask(stream("users/7/inbox"), { method: "PUT", token: victim, body: "x" })).status,
    201,
  );
  for (const sub of ["*", "**", "7/**", "8/../7", "", ".", "..", "7/inbox", "%37", "7%2F**"]) {
    const token = await as(sub);
    assert.equal((await ask(stream("users/7/inbox"), { token })).code, "FORBIDDEN", sub);
  }
  const odd = await as("a/b*");
  const own = stream(`users/${encodeURIComponent("a%2Fb*")}/x`);
  assert.equal((await ask(own, { method: "PUT", token: odd, body: "x" })).status, 201);
});
