/** The command line as a client: pipes are exact, ends are told by exit codes, words are kept. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DurableStream, stream } from "@durable-streams/client";
import { COMMANDS } from "../../src/client/commands.ts";
import { readAll } from "../support/http.ts";
import { Workplace } from "./client_commands.ts";
import { noise, serverForThisFile } from "./support.ts";

const server = serverForThisFile("embedded");
let work: Workplace;
Deno.test.beforeAll(() => {
  work = new Workplace(`${server.url}/v1/stream`);
});
Deno.test.afterAll(() => work.remove());

const urlOf = (path: string) => `${server.url}/v1/stream/${path}`;

async function ok(line: string, shell?: string): Promise<string> {
  const { code, stdout, stderr } = await work.shell(line, shell);
  assert.equal(code, 0, `${line}\n${stderr}`);
  return stdout;
}

Deno.test("client commands: bytes come out of a pipe as they went in", async () => {
  const bytes = noise(9_000_000, 7);
  writeFileSync(join(work.folder, "in"), bytes);
  await ok("penstock create bin && penstock append bin < in && penstock read bin | cmp - in");
  await ok("penstock create lines --content-type text/plain");
  await ok("head -c 3000000 in | penstock append lines --producer auto --lines");
  await ok("penstock read lines | cmp - in -n 3000000");
  assert.equal((await readAll(urlOf("lines"))).bytes.length, 3_000_000);
});

Deno.test("client commands: JSON keeps its source text, a message a line", async () => {
  await ok("penstock create numbers --content-type application/json");
  const lines = [`{"b":1.0,"a":[1e400, "x\\"],[\\\\"]}`, "12345678901234567890", `[1,[2]]`, `"é"`];
  writeFileSync(join(work.folder, "lines"), lines.join("\n\n"));
  await ok("penstock append numbers --lines --producer auto < lines");
  assert.equal(await ok("penstock read numbers"), `${lines.join("\n")}\n`);
  assert.equal(await ok("penstock tail numbers -n 2"), `${lines.slice(2).join("\n")}\n`);
  const [message, page] = (await ok("penstock tail numbers -n 1 --json")).split("\n");
  assert.equal(message, `{"message":"é"}`);
  assert.deepEqual(Object.keys(JSON.parse(page!)), ["nextOffset", "upToDate", "closed"]);
  const { code, stderr } = await work.shell(`printf '7\\nno\\n' | penstock append numbers --lines`);
  assert.equal(code, 2);
  assert.match(stderr, /line 2 is not JSON/);
  assert.equal(await ok("penstock tail numbers -n 1"), "7\n");
});

Deno.test("client commands: the last lines are those of tail(1)", async () => {
  await ok("penstock create end --content-type text/plain");
  writeFileSync(join(work.folder, "text"), `${"a line of text\n".repeat(5000)}\n\nlast`);
  await ok("penstock append end < text");
  for (const count of [0, 1, 2, 3, 4, 1000, 5003, 9999]) {
    await ok(`penstock tail end -n ${count} > mine; tail -n ${count} text | cmp - mine`);
  }
});

Deno.test("client commands: the official client reads what they wrote, and they what it wrote", async () => {
  await ok("penstock create both --content-type application/json --ttl 1h");
  await ok(`penstock append both --data '{"from":"us"}'`);
  const handle = new DurableStream({ url: urlOf("both"), contentType: "application/json" });
  await handle.append(`{"from":"them"}`);
  const theirs = await (await stream({ url: urlOf("both"), offset: "-1", live: false })).json();
  assert.deepEqual(theirs, [{ from: "us" }, { from: "them" }]);
  assert.equal(await ok("penstock read both"), `{"from":"us"}\n{"from":"them"}\n`);
});

Deno.test("client commands: a producer's second run under its name is not taken for its first", async () => {
  await ok("penstock create named --content-type text/plain");
  for (const word of ["one", "two"]) {
    await ok(`echo ${word} | penstock append named --producer job --lines`);
  }
  assert.equal(await ok("penstock read named"), "one\ntwo\n");
  await ok("penstock append named --producer other --epoch 3 --data x");
  const again = await work.penstock("append", "named", "--producer=other", "--epoch=3", "--data=y");
  assert.equal(again.code, 4);
  assert.match(again.stderr, /take a higher --epoch/);
  const stale = await work.penstock("append", "named", "--producer=other", "--epoch=2", "--data=y");
  assert.equal(stale.code, 4);
  assert.equal(await ok("penstock read named"), "one\ntwo\nx");
});

Deno.test("client commands: how they end", async () => {
  await ok("penstock create shut --content-type text/plain --data all --closed");
  const cases: [number, string, RegExp][] = [
    [0, "penstock close shut", /^$/],
    [0, "penstock create shut --content-type text/plain --closed", /^$/],
    [0, "penstock tail shut -f", /^$/],
    [0, "penstock rm none --force", /^$/],
    [1, "penstock stat x --url http://127.0.0.1:9/", /does not answer/],
    [2, "penstock append shut --dta x", /--dta: did you mean --data\?/],
    [2, "penstock append", /needs <path>/],
    [2, "penstock read shut --offset", /needs a value/],
    [2, "penstock read shut --offset nonsense", /offset/],
    [2, "penstock rm a/../shut", /segment/],
    [2, "penstock stat ftp://x/y", /./],
    [2, "penstock tail shut -n many", /whole number/],
    [2, "penstock create x --ttl soon", /soon/],
    [2, "penstock apend shut", /did you mean append\?/],
    [3, "penstock stat none", /no such stream/],
    [3, "penstock append none --data x", /no such stream/],
    [3, "penstock fork none new", /./],
    [3, "penstock rm none", /no stream/],
    [4, "penstock append shut --data x", /closed/],
    [4, "penstock append shut --data x --content-type text/plain", /closed/],
    [4, "yes | penstock append shut --lines --producer auto --content-type text/plain", /closed/],
    [4, "penstock create shut --content-type image/png", /./],
  ];
  for (const [code, line, said] of cases) {
    const ended = await work.shell(line);
    assert.equal(ended.code, code, `${line}\n${ended.stderr}`);
    assert.match(ended.stderr, said, line);
    assert.doesNotMatch(ended.stderr, /^\s+at /m, "no stack");
    assert.ok(!ended.stderr.includes("\x1b"), "no colour in a pipe");
  }
});

Deno.test("client commands: a reader that has enough is no failure", async () => {
  await ok("penstock create much && head -c 9000000 /dev/zero | penstock append much");
  const script = `penstock read much | head -c 10 | wc -c; echo "\${PIPESTATUS[@]}"`;
  const { stdout, stderr } = await work.shell(script, "bash");
  assert.deepEqual([stdout.split(/\s+/).filter(Boolean), stderr], [["10", "0", "0", "0"], ""]);
});

Deno.test("client commands: any path is one stream's, and no other's", async () => {
  for (const path of ["a b/ü", "100%", "q?x=1#y", "semi;colon"]) {
    assert.equal((await work.penstock("create", path, "--data", path)).code, 0, path);
    assert.equal((await work.penstock("read", path)).stdout, path);
    const whole = urlOf(path.split("/").map(encodeURIComponent).join("/"));
    assert.equal((await work.penstock("read", whole)).stdout, path);
  }
});

Deno.test("client commands: every example of every help works as it stands", async () => {
  const order = [
    ...["create", "append", "read", "tail", "stat", "fork", "trim", "ls", "close", "rm"],
    ...["sub", "status", "completions"],
  ];
  // `token` needs a server with access control: tests/access/token_command_test.ts. `import` needs
  // another server: tests/transfer/import_test.ts.
  const others = COMMANDS.filter(({ name }) => name !== "token" && name !== "import");
  assert.deepEqual([...order].sort(), others.map(({ name }) => name).sort());
  for (const name of order) {
    const help = await ok(`penstock ${name} --help`);
    assert.equal(await ok(`penstock help ${name}`), help);
    const command = COMMANDS.find((candidate) => candidate.name === name)!;
    assert.ok(command.examples.length > 0, name);
    for (const example of command.examples) {
      assert.ok(help.includes(example), example);
      // It goes on until somebody ends it: tests/system/status_command_test.ts.
      if (example !== "penstock status") await ok(example);
    }
    for (const flag of command.flags) assert.ok(help.includes(`--${flag.name}`), flag.name);
  }
});

Deno.test("client commands: Ctrl-C ends a follower with 130", async () => {
  await ok("penstock create live --content-type text/plain --data 'here\n'");
  const follower = work.start(["tail", "live", "-f"]);
  await follower.until(() => follower.stdout === "here\n");
  process.kill(follower.process.pid!, "SIGINT");
  assert.equal((await follower.ended()).code, 130);
});
