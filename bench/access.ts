/**
 * `deno run -A bench/access.ts [deno|bun|binary] [rounds] [edge]`: what access control and limits cost an
 * append of 100 bytes, from 64 connections: one server for each kind of holder, side by side, beside one
 * without access control. On `TEST_DATABASE_URL`, or a PostgreSQL of its own.
 *
 * With `edge` the appends are empty: they pass access control and limits, and are refused before the
 * database. Without commits, whose size moves with the machine's load, a microsecond can be told: by the
 * least of each server's rounds where the machine is busy, for others only ever add to CPU time.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SignJWT } from "jose";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { type Runtime, startServer } from "../tests/support/server.ts";
import { load } from "./load/request_load.ts";
import { wrkLoad } from "./load/wrk.ts";
import { type Contender, SideBySide } from "./side_by_side.ts";

const RUNTIME = (process.argv[2] ?? "deno") as Runtime;
const ROUNDS = Number(process.argv[3] ?? 20);
/** Whether appends are refused when they have passed access control and limits. */
const EDGE = process.argv[4] === "edge";
const WARM_UPS = 3;
const CONNECTIONS = 64;
const BINARY = { "Content-Type": "application/octet-stream" };
const ADMIN = "an-admin-token-of-more-than-32-characters";
const SECRET = "a secret of thirty-two bytes or more";

await using stack = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), "penstock-bench-"));
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const postgres = await startPostgres();
stack.defer(() => postgres.stop());

const token = ["--admin-token-file", file("admin", ADMIN)];
const jwt = ["--jwt-secret-file", file("secret", SECRET), "--jwt-rules", "append:{sub}/**"];
const rate = ["--rate", "append=1000000000/s,bytes=1024GiB/s"];
const quota = ["--quota", "streams=1000000,bytes=1TiB"];

interface Kind {
  readonly name: string;
  readonly args: readonly string[];
  readonly holder: "everybody" | "token" | "jwt" | "tenant";
}

const KINDS: readonly Kind[] = [
  { name: "no access control", args: [], holder: "everybody" },
  { name: "the same again", args: [], holder: "everybody" },
  { name: "token", args: token, holder: "token" },
  { name: "JWT", args: [...token, ...jwt], holder: "jwt" },
  { name: "--rate", args: rate, holder: "everybody" },
  { name: "token, --rate", args: [...token, ...rate], holder: "token" },
  { name: "tenant, --quota", args: [...token, ...jwt, ...quota], holder: "tenant" },
];

async function start({ name, args, holder }: Kind): Promise<Contender> {
  const database = await freshDatabase(postgres.url);
  stack.defer(() => database.drop());
  const node = await startServer({ runtime: RUNTIME, database, args: [...args] });
  stack.defer(() => node.kill());
  const admin = { ...BINARY, authorization: `Bearer ${ADMIN}` };
  const ask = async (path: string, init: RequestInit): Promise<string> => {
    const answer = await fetch(`${node.url}/v1/stream/${path}`, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${text}`);
    return text;
  };
  const body = JSON.stringify({ name: "ci", rules: ["append:bench/**"] });
  const headersOf = {
    everybody: () => BINARY,
    token: async () => {
      const made = await ask("__ds/tokens", { method: "POST", headers: admin, body });
      return { ...BINARY, authorization: `Bearer ${JSON.parse(made).token}` };
    },
    jwt: async () => ({ ...BINARY, authorization: `Bearer ${await signed({ sub: "bench" })}` }),
    tenant: async () => {
      const claims = { sub: "x", penstock_namespace: "bench", penstock: ["append:**"] };
      return { ...BINARY, authorization: `Bearer ${await signed(claims)}` };
    },
  };
  await ask("bench/x", { method: "PUT", headers: admin });
  const path = holder === "tenant" ? "/v1/stream/x" : "/v1/stream/bench/x";
  const headers = await headersOf[holder]();
  const load = { url: node.url, path, headers, method: "POST", connections: CONNECTIONS } as const;
  return { name, pid: node.process.pid!, load: { ...load, bodyBytes: EDGE ? 0 : 100 } };
}

function signed(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT({ ...claims, exp: 4_102_444_800 }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
}

const servers: Contender[] = [];
for (const kind of KINDS) servers.push(await start(kind));
const rounds = new SideBySide();
// Refused appends are errors to `load`.
await rounds.run(servers, { rounds: ROUNDS, warmUps: WARM_UPS, generate: EDGE ? wrkLoad : load });
const what = EDGE ? "empty append" : "append";
console.log(`${RUNTIME}: CPU per ${what}, ${CONNECTIONS} connections, ${ROUNDS} rounds`);
console.log(rounds.table());
