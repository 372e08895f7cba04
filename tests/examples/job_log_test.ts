/** examples/job_log: the whole output, in order, the job's exit status, and an end of the stream. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readAll } from "../support/http.ts";
import { Workplace } from "../system/client_commands.ts";
import { serverForThisFile } from "../system/support.ts";
import { EXAMPLES } from "./example_process.ts";

const server = serverForThisFile("embedded");
const SCRIPT = join(EXAMPLES, "job_log", "job.sh");

Deno.test("the log of a job is its output, and ends with it", async () => {
  const work = new Workplace(`${server.url}/v1/stream`);
  try {
    const job = `sh -c 'seq 1 2000; echo wrong >&2; exit 3'`;
    const { code, stderr } = await work.shell(`sh ${SCRIPT} logs/7 ${job}`);
    assert.equal(code, 3, stderr);
    const numbers = Array.from({ length: 2000 }, (_, n) => `${n + 1}\n`).join("");
    const { text, closed } = await readAll(`${server.url}/v1/stream/logs/7`);
    assert.equal(text, `${numbers}wrong\nexit status 3\n`);
    assert.ok(closed);
    assert.ok(stderr.includes("\nwrong\n"), "the output is shown too");
    const last = await work.shell("penstock tail logs/7 -n 1 -f");
    assert.deepEqual([last.code, last.stdout], [0, "exit status 3\n"]);
  } finally {
    work.remove();
  }
});
