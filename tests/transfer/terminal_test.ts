// Runs after compile: the commands are those of the binary.
/** The commands as the compiled binary has them, and their progress on a terminal. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Workplace } from "../system/client_commands.ts";
import { emptyDatabase } from "./support.ts";

const BINARY = join(import.meta.dirname!, "../../dist/penstock");
const STREAMS = 24;

function hasScript(): boolean {
  try {
    return /util-linux/.test(execFileSync("script", ["--version"], { encoding: "utf8" }));
  } catch {
    return false;
  }
}

Deno.test({
  name: "the binary dumps, loads and shows on a terminal how far it is",
  ignore: !existsSync(BINARY) || !hasScript(),
  async fn() {
    await using source = await emptyDatabase();
    await source.database.query(
      `with made as (
        insert into penstock.streams (path, content_type)
        select 'large/' || n, 'text/plain' from generate_series(1, ${STREAMS}) n returning id)
      insert into penstock.segments (stream_id, position, data)
      select m.id, 0, decode(repeat(md5(m.id::text), 32768), 'hex') from made m`,
    );
    const place = new Workplace("http://127.0.0.1:1/v1/stream");
    const terminal = async (line: string) => {
      const { code, stdout } = await place.shell(`script -qec '${line}' /dev/null`);
      assert.equal(code, 0, stdout);
      return stdout;
    };
    try {
      const from = `--database-url ${source.url}`;
      // Whoever takes the dump waits at first, so that there is time to show something.
      const dumped = await terminal(
        `${BINARY} dump ${from} --plain | (head -c 4000000; sleep 2; cat) > one`,
      );
      assert.match(dumped, /MiB\/s, \d+ %, [^\r]* left/, "how much, how fast, and how long still");
      assert.match(dumped, /dumped 24 streams, 12582912 bytes/);

      const loaded = await terminal(
        `(head -c 8000000 one; sleep 2; tail -c +8000001 one) | ${BINARY} load --data-dir data`,
      );
      assert.match(loaded, /MiB[^\r]*\/s/);
      assert.match(loaded, /loaded 24 streams, 12582912 bytes/);

      const { code, stderr } = await place.shell(
        `${BINARY} dump --data-dir data > two && ${BINARY} load --data-dir again < two && ` +
          `${BINARY} dump --data-dir again --plain > three && cmp one three`,
      );
      assert.equal(code, 0, stderr);
    } finally {
      place.remove();
    }
  },
});
