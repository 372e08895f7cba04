/** URLs with a password: read from files, and never repeated by an error. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Option, OPTIONS } from "../../src/cli/options.ts";
import { configOf, PASSWORD, problemOf } from "./support.ts";

Deno.test("a URL with a password is read from the file that a setting or systemd names", () => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-secrets-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  try {
    const url = `postgres://user:${PASSWORD}@host/db`;
    const path = file("url", `${url}\n`);
    for (const name of ["database-url", "listen-url"] as const) {
      const [key, fileKey] = name === "database-url"
        ? ["databaseUrl", "databaseUrlFile"] as const
        : ["listenUrl", "listenUrlFile"] as const;
      const variable = OPTIONS[fileKey].environment;
      assert.equal(configOf([`--${name}-file=${path}`])[key], url);
      assert.equal(configOf([], { [variable]: path })[key], url);
      assert.equal(configOf([], { [variable]: "" })[key], null);
      const given = { [OPTIONS[key].environment]: "postgres://other/db" };
      assert.equal(configOf([`--${name}-file=${path}`], given)[key], url);
      assert.match(problemOf([], { ...given, [variable]: path }), /is given too/);
      assert.match(problemOf([`--${name}-file=${folder}/none`]), /cannot read .*ENOENT/);
      assert.match(problemOf([`--${name}-file=${file("empty", "\n")}`]), /is empty/);
      const wrong = problemOf([`--${name}-file=${file("wrong", `mysql://u:${PASSWORD}@h`)}`]);
      assert.ok(!wrong.includes(PASSWORD), wrong);
    }
    assert.equal(configOf([], { DATABASE_URL_FILE: path }).databaseSource, "DATABASE_URL_FILE");
    assert.equal(configOf(["--data-dir=/d"], { DATABASE_URL_FILE: path }).databaseUrl, null);

    file("penstock_database-url", url);
    const token = file("penstock_admin-token", "t");
    const config = configOf([], { CREDENTIALS_DIRECTORY: folder });
    assert.equal(config.databaseUrl, url);
    assert.equal(config.accessControl.adminTokenFile, token);
    assert.equal(config.accessControl.jwtSecretFile, null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Deno.test("no error about a database URL repeats its password", () => {
  const urls = [
    `postgres://user:${PASSWORD}@host:notaport/db`,
    `postgres://user:${PASSWORD}@ho st/db`,
    `postgres://user:${PASSWORD}@[::1/db`,
    `postgres//user:${PASSWORD}@host/db`,
    `mysql://user:${PASSWORD}@host/db`,
    `http://user:${PASSWORD}@host/db`,
    `user:${PASSWORD}@host:5432/db`,
    `host=db user=u password=${PASSWORD}`,
    PASSWORD,
  ];
  for (const url of urls) {
    for (
      const problem of [
        problemOf([`--database-url=${url}`]),
        problemOf(["--database-url", url]),
        problemOf(["migrate", "--database-url", url, "--port=x"]),
        problemOf([], { DATABASE_URL: url }),
        problemOf([], { PENSTOCK_LISTEN_URL: url }),
      ]
    ) assert.ok(!problem.includes(PASSWORD), problem);
  }
});

Deno.test("no error repeats the password of a sound database URL while something else is wrong", () => {
  const url = `postgres://user:${PASSWORD}@host/db`;
  for (const args of [["--port=x"], ["--host=0.0.0.0"], ["run"], ["--nonsense"], ["serve", "x"]]) {
    for (
      const problem of [
        problemOf([...args, `--database-url=${url}`]),
        problemOf(args, { DATABASE_URL: url }),
      ]
    ) assert.ok(!problem.includes(PASSWORD), problem);
  }
  assert.ok(!problemOf([`--database-ulr=${url}`]).includes(PASSWORD));
});

// `penstock postgres://…` and `penstock serve postgres://…` are how other programs take theirs.
Deno.test("no error repeats the password of a database URL given as an argument", () => {
  const url = `postgres://user:${PASSWORD}@host/db`;
  for (const args of [[url], ["serve", url], ["--database-ulr", url]]) {
    const problem = problemOf(args);
    assert.ok(!problem.includes(PASSWORD), problem);
  }
});

Deno.test("no error repeats the password of a database URL given to the wrong setting", () => {
  const url = `postgres://user:${PASSWORD}@host/db`;
  for (const option of Object.values<Option>(OPTIONS)) {
    // Any text is a folder's name, and the database's URLs have a test of their own.
    const sound: Option[] = [
      ...[OPTIONS.dataDir, OPTIONS.databaseUrl, OPTIONS.listenUrl],
      ...[OPTIONS.adminTokenFile, OPTIONS.jwtSecretFile, OPTIONS.jwtPublicKeyFile],
      ...[OPTIONS.jwtClaim, OPTIONS.jwtNamespaceClaim, OPTIONS.jwtNamespace],
    ];
    if (sound.includes(option)) continue;
    const problem = problemOf([], { [option.environment]: url });
    assert.ok(!problem.includes(PASSWORD), problem);
  }
});
