/** The cluster that a first start unpacks is the one that initdb would make. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { makeCluster } from "../../../scripts/prepare_cluster.ts";
import { Engine } from "../../../src/storage/pglite/engine.ts";
import { unpackCluster } from "../../../src/storage/pglite/prepared_cluster.ts";
import { root } from "./support.ts";

/** What initdb decides: settings of the cluster, and a digest of each catalog's rows. */
const FACTS = `
  select name, setting from pg_settings
  where name in ('data_checksums', 'lc_collate', 'server_encoding', 'server_version_num',
    'wal_segment_size', 'block_size', 'default_text_search_config', 'TimeZone', 'lc_messages')
  union all
  select 'catalog version', catalog_version_no::text from pg_control_system()
  union all
  select 'databases', string_agg(concat_ws(' ', datname, encoding, datcollate, datistemplate), ',')
  from pg_database
  union all
  select 'relations', md5(string_agg(concat_ws(' ', oid, relname, relkind), ',' order by oid))
  from pg_class
  union all
  select 'functions', md5(string_agg(concat_ws(' ', oid, proname, prosrc), ',' order by oid))
  from pg_proc
  union all
  select 'types', md5(string_agg(concat_ws(' ', oid, typname), ',' order by oid)) from pg_type
  union all
  select 'roles', string_agg(concat_ws(' ', rolname, rolsuper), ',' order by oid) from pg_roles
  order by 1`;

Deno.test("the prepared cluster is what initdb of the installed PGlite makes", async () => {
  const [prepared, made] = [join(root, "prepared"), join(root, "made")];
  for (const folder of [prepared, made]) fs.mkdirSync(folder);
  await unpackCluster(prepared);
  await makeCluster(made);
  for (const name of ["PG_VERSION", "pg_hba.conf", "postgresql.conf", "postgresql.auto.conf"]) {
    const text = (folder: string) => fs.readFileSync(join(folder, name), "utf8");
    assert.equal(text(prepared), text(made), `${name}: run deno task cluster`);
  }
  const facts = await Promise.all([prepared, made].map(factsOf));
  assert.ok(facts[0]!.length > 10);
  assert.deepEqual(facts[0], facts[1], "run deno task cluster");
});

Deno.test("the prepared cluster is small, and others can read nothing of it", async () => {
  const folder = join(root, "private");
  fs.mkdirSync(folder);
  await unpackCluster(folder);
  let bytes = 0;
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const { mode, size } = fs.statSync(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o077, 0, entry.name);
    if (entry.isFile()) bytes += size;
  }
  // One database of 8 MiB and one segment of the WAL.
  assert.ok(bytes < 28 << 20, `${bytes} bytes`);
});

async function factsOf(folder: string): Promise<unknown[]> {
  const engine = await Engine.open(folder);
  try {
    return engine.run(FACTS, [], { keep: false }).reply.rows;
  } finally {
    await engine.close();
  }
}
