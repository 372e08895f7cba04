/** The client's commands while servers die and connections are cut: nothing lost, nothing twice. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunningServer, startServer } from "../support/server.ts";
import { type Running, Workplace } from "./client_commands.ts";
import { Proxy } from "./proxy.ts";
import { eventually, freePort, freshStorage, noise, type Storage } from "./support.ts";

let storage: Storage;
let server: RunningServer;
let work: Workplace;
let args: string[];
const start = async () => {
  server = await startServer({ database: storage.database, args });
};

Deno.test.beforeAll(async () => {
  storage = await freshStorage("embedded");
  args = ["--port", String(await freePort())];
  await start();
  work = new Workplace(`${server.url}/v1/stream`);
});
Deno.test.afterAll(async () => {
  await server.kill();
  await storage.remove();
  work.remove();
});

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `${from + at}\n`).join("");

async function ok(line: string): Promise<string> {
  const { code, stdout, stderr } = await work.shell(line);
  assert.equal(code, 0, `${line}\n${stderr}`);
  return stdout;
}

async function tailOf(path: string): Promise<string> {
  const response = await fetch(`${server.url}/v1/stream/${path}`, { method: "HEAD" });
  return response.headers.get("stream-next-offset")!;
}

/** Writes `1` to `last`, and kills and restarts the server three times while it does. */
async function writeThroughKills(append: Running, path: string, last: number): Promise<number> {
  const quarter = last / 4;
  let kills = 0;
  for (let part = 0; part < 4; part++) {
    const before = part < 3 ? await tailOf(path) : "";
    for (let from = part * quarter; from < (part + 1) * quarter; from += 250) {
      await append.write(numbers(from + 1, from + 250));
      if (part === 3 || from !== part * quarter + quarter / 2 - 250) continue;
      await eventually(20_000, "an append", async () => await tailOf(path) > before || undefined);
      void append.write(""); // and goes on while the server dies
      await server.kill();
      kills++;
      void start();
    }
    await eventually(20_000, "the server", async () => {
      const answer = await fetch(`${server.url}/health`).catch(() => null);
      await answer?.body?.cancel();
      return answer?.ok || undefined;
    });
  }
  append.input.end();
  return kills;
}

for (const type of ["text/plain", "application/json"]) {
  Deno.test(`client commands: a ${type} pipe cut three times by kill -9 is exact`, async () => {
    const path = type.replace("/", "-");
    // The follower has its first answer before the first kill: until then it is not patient.
    await ok(`penstock create ${path} --content-type ${type} --data 0`);
    const append = work.start(["append", path, "--producer", "auto", "--lines", "--json"]);
    const follow = work.start(["tail", path, "--offset", "-1", "-f"]);
    await follow.until(() => follow.stdout !== "");
    assert.equal(await writeThroughKills(append, path, 20_000), 3);
    const ended = await append.ended();
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(JSON.parse(ended.stdout).messages, 20_000);
    assert.match(ended.stderr, /trying again/, "a kill was noticed");
    const whole = (type === "text/plain" ? "0" : "0\n") + numbers(1, 20_000);
    assert.ok(await ok(`penstock read ${path}`) === whole, "the stream is exact");
    await ok(`penstock close ${path}`);
    const followed = await follow.ended();
    assert.equal(followed.code, 0, followed.stderr);
    assert.ok(followed.stdout === whole, "and so is what a follower printed");
  });
}

Deno.test("client commands: an append whose answer is lost is there once", async () => {
  const proxy = await Proxy.start(server.url);
  try {
    await ok("penstock create lost --content-type text/plain");
    const base = `${proxy.url.replace(/\/$/, "")}/v1/stream`;
    const words = ["--url", base, "--content-type", "text/plain", "--retry-for", "30s"];
    const append = work.start(["append", "lost", "--producer", "auto", "--lines", ...words]);
    const before = await tailOf("lost");
    proxy.set("deaf"); // passes the append on, and cuts the connection when it is answered
    await append.write("one\n");
    await eventually(10_000, "the append", async () => await tailOf("lost") > before || undefined);
    await append.until(() => append.stderr.includes("trying again"));
    const plain = await work.penstock("append", "lost", "--data", "two\n", ...words);
    assert.equal(plain.code, 1, "without a producer it is not repeated");
    assert.match(plain.stderr, /may or may not have been appended/);
    proxy.set("open");
    append.input.end("three\n");
    assert.equal((await append.ended()).code, 0);
    assert.equal(await ok("penstock read lost"), "one\ntwo\nthree\n");
  } finally {
    proxy.stop();
  }
});

/** Cuts each of the first connections after as many bytes of answers as are given for it. */
async function startCutter(limits: number[]): Promise<Server> {
  const target = Number(new URL(server.url).port);
  const cutter = createServer((client) => {
    let left = limits.shift() ?? Infinity;
    const upstream = connect(target, "127.0.0.1");
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
    client.pipe(upstream);
    upstream.on("data", (bytes: Uint8Array) => {
      client.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left <= 0) client.end(() => client.destroy());
    });
    upstream.on("close", () => client.end());
  });
  cutter.listen(0, "127.0.0.1");
  await once(cutter, "listening");
  return cutter;
}

Deno.test("client commands: a read that is cut in its pages is exact", async () => {
  const bytes = noise(3_000_000, 3);
  writeFileSync(join(work.folder, "in"), bytes);
  const json = Array.from({ length: 50_000 }, (_, n) => `{"n":${n},"t":"${"x".repeat(n % 60)}"}`);
  writeFileSync(join(work.folder, "json"), `${json.join("\n")}\n`);
  await ok("penstock create cut && penstock append cut < in");
  await ok(
    "penstock create cutj --content-type application/json && penstock append cutj --lines < json",
  );
  for (const [path, file] of [["cut", "in"], ["cutj", "json"]]) {
    const cutter = await startCutter([1000, 700_001, 200_000, 1, 900_000]);
    const { port } = cutter.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/v1/stream`;
    await ok(`penstock read ${path} --retry-for 30s --url ${url} | cmp - ${file}`);
    cutter.close();
  }
});

Deno.test("client commands: a token goes to the server it is for, and to no other", async () => {
  const { createServer: createHttp } = await import("node:http");
  const seen: (string | undefined)[] = [];
  const guard = createHttp((request, response) => {
    seen.push(request.headers.authorization);
    const known = request.headers.authorization === "Bearer s3cret";
    response.writeHead(known ? 204 : 401, { "stream-next-offset": "0" }).end();
  });
  guard.listen(0, "127.0.0.1");
  await once(guard, "listening");
  const url = `http://127.0.0.1:${(guard.address() as AddressInfo).port}/streams`;
  try {
    const shut = await work.shell(`penstock stat x --url ${url}`);
    assert.equal(shut.code, 5, shut.stderr);
    await ok(`PENSTOCK_TOKEN=s3cret penstock stat x --url ${url}`);
    await ok(`penstock stat ${url}/x --token s3cret`);
    const other = await work.shell(`PENSTOCK_TOKEN=s3cret penstock stat ${url}/x`);
    assert.equal(other.code, 5, "PENSTOCK_TOKEN is for PENSTOCK_URL");
    assert.deepEqual(seen, [undefined, "Bearer s3cret", "Bearer s3cret", undefined]);
    assert.doesNotMatch(shut.stderr + other.stderr, /s3cret/);
  } finally {
    guard.close();
  }
});
