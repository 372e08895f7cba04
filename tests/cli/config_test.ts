/** Settings: where they come from, and which of them refuse each other. */
import assert from "node:assert/strict";
import { textOfRule } from "../../src/access/rules.ts";
import { parseCommand } from "../../src/cli/command_line.ts";
import type { Config, Environment } from "../../src/cli/config.ts";
import { parseQuotas } from "../../src/cli/limit_settings.ts";
import { type Option, type OptionName, OPTIONS } from "../../src/cli/options.ts";
import { parseRetentionRules } from "../../src/streams/retention/rules.ts";
import { configOf, problemOf } from "./support.ts";

const NO_ACCESS_CONTROL = {
  accessOn: false,
  adminTokenFile: null,
  jwtSecretFile: null,
  jwtNamespace: null,
  jwtNamespaceClaim: "penstock_namespace",
  jwtPublicKeyFile: null,
  jwtJwksUrl: null,
  jwtIssuer: null,
  jwtAudience: null,
  jwtClaim: "penstock",
  jwtRules: [],
  anonymous: [],
};
/** Their values are members of `accessControl`, and have a test of their own. */
const OF_FILES = ["databaseUrlFile", "listenUrlFile"] as const satisfies readonly OptionName[];
const OF_ACCESS = Object.keys(NO_ACCESS_CONTROL) as OptionName[];

/** One without the other is refused. */
const OF_TLS: OptionName[] = ["tlsCert", "tlsKey"];

Deno.test("without flags and environment the defaults hold", () => {
  assert.deepEqual(parseCommand([], {}), {
    name: "serve",
    config: {
      host: "127.0.0.1",
      port: 4437,
      workers: 1,
      publicUrl: null,
      webhookAllow: [],
      allowedHosts: [],
      corsOrigins: [],
      databaseUrl: null,
      databaseConnections: 8,
      databaseTimeoutMs: 5000,
      listenUrl: null,
      wakeups: "auto",
      dataDir: null,
      databaseSource: "default",
      databaseIgnored: null,
      longPollTimeoutMs: 30_000,
      maxAppendBytes: 16 << 20,
      bodyTimeoutMs: 30_000,
      maxBufferedBytes: 512 << 20,
      maxFollowers: 50_000,
      maxProducersPerStream: 10_000,
      producerIdleExpiryMs: null,
      rates: new Map(),
      maxLivePerPrincipal: null,
      trustedProxies: [],
      certificateFiles: null,
      adminPort: null,
      adminHost: "127.0.0.1",
      cacheControl: "public",
      retention: [],
      tracing: null,
      drainDelayMs: 0,
      accessControl: NO_ACCESS_CONTROL,
      logFormat: "auto",
      logLevel: "info",
      accessLog: "off",
      inspector: "on",
      quotas: null,
    },
  });
});

Deno.test("flags win over the environment, and that over the defaults", () => {
  const url = (host: string) => `postgres://u:p@${host}/db`;
  // A setting and what it is called when read; its variable's value, its flag's, and what each is.
  const rows: [OptionName, keyof Config, string, unknown, string, unknown][] = [
    ["host", "host", "localhost", "localhost", "[::1]", "::1"],
    ["port", "port", "1", 1, "0", 0],
    ["workers", "workers", "1", 1, "1", 1],
    ["publicUrl", "publicUrl", "https://e", "https://e", "http://f:8080/", "http://f:8080"],
    ["databaseUrl", "databaseUrl", url("env"), url("env"), url("flag"), url("flag")],
    ["databaseUrl", "databaseUrl", url("env"), url("env"), "", null],
    ["databaseConnections", "databaseConnections", "2", 2, "1000", 1000],
    ["databaseTimeout", "databaseTimeoutMs", "1ms", 1, "60m", 3_600_000],
    ["listenUrl", "listenUrl", url("env"), url("env"), url("flag"), url("flag")],
    ["wakeups", "wakeups", "poll", "poll", "listen", "listen"],
    ["dataDir", "dataDir", "/env", "/env", "/flag", "/flag"],
    ["longPollTimeout", "longPollTimeoutMs", "2m", 120_000, "1.5s", 1500],
    ["maxAppendBytes", "maxAppendBytes", "1", 1, "256MiB", 256 << 20],
    ["bodyTimeout", "bodyTimeoutMs", "1s", 1000, "2m", 120_000],
    ["maxBufferedBytes", "maxBufferedBytes", "64MiB", 64 << 20, "2GiB", 2 ** 31],
    ["maxFollowers", "maxFollowers", "1", 1, "10000000", 10_000_000],
    ["maxProducersPerStream", "maxProducersPerStream", "5", 5, "0", null],
    ["producerIdleExpiry", "producerIdleExpiryMs", "30d", 2_592_000_000, "90", 90_000],
    ["maxLivePerPrincipal", "maxLivePerPrincipal", "5", 5, "", null],
    ["adminPort", "adminPort", "9000", 9000, "0", 0],
    ["adminHost", "adminHost", "::1", "::1", "localhost", "localhost"],
    [
      "rate",
      "rates",
      "append=5/s",
      new Map([["append", { quota: 5, windowSeconds: 1 }]]),
      "",
      new Map(),
    ],
    ["trustedProxies", "trustedProxies", "", [], "", []],
    ["quota", "quotas", "streams=5", parseQuotas("streams=5"), "", null],
    ["cacheControl", "cacheControl", "private", "private", "no-store", "no-store"],
    ["retention", "retention", "a/**: age=1d", parseRetentionRules("a/**: age=1d"), "b: bytes=9", [
      ...parseRetentionRules("b: bytes=9"),
    ]],
    ["drainDelay", "drainDelayMs", "5s", 5000, "", 0],
    ["allowedHosts", "allowedHosts", "a", ["a"], "b, [::1]", ["b", "[::1]"]],
    ["corsOrigins", "corsOrigins", "*", ["*"], "https://a/,http://b:1", [
      "https://a",
      "http://b:1",
    ]],
    ["webhookAllow", "webhookAllow", "a:1", [{ host: "a", port: 1 }], "b", [
      { host: "b", port: null },
    ]],
    ["logFormat", "logFormat", "text", "text", "json", "json"],
    ["logLevel", "logLevel", "debug", "debug", "silent", "silent"],
    ["accessLog", "accessLog", "text", "text", "json", "json"],
    ["inspector", "inspector", "off", "off", "read-only", "read-only"],
  ];
  for (const [name, key, variable, fromVariable, flag, fromFlag] of rows) {
    const option: Option = OPTIONS[name];
    const read = (config: Config) => config[key];
    const environment = { [option.environment]: variable };
    assert.deepEqual(read(configOf([], environment)), fromVariable, name);
    assert.deepEqual(read(configOf([`--${option.flag}=${flag}`])), fromFlag, name);
    assert.deepEqual(read(configOf([`--${option.flag}=${flag}`], environment)), fromFlag, name);
    // An empty variable is an unset one.
    assert.deepEqual(configOf([], { [option.environment]: "" }), configOf([]), name);
  }
  // Switches are no settings with a value: they have tests of their own.
  const valued = Object.values<Option>(OPTIONS).filter((option) => option.value !== undefined);
  const tested = new Set(rows.map(([name]) => name)).size + OF_ACCESS.length +
    OF_FILES.length + OF_TLS.length;
  assert.equal(tested, valued.length);
});

Deno.test("the settings of access control are read, and refused where they do nothing", () => {
  const { accessControl } = configOf([
    ...["--admin-token-file", "a", "--jwt-jwks-url", "https://i/keys", "--jwt-issuer", "i"],
    ...["--jwt-audience", "u", "--jwt-claim", "c", "--jwt-rules", "read:a/{sub} append:{sub}/**"],
  ], { PENSTOCK_ANONYMOUS: " read:public/**  list:** " });
  assert.deepEqual(accessControl.jwtRules.map(({ text }) => text), [
    "read:a/{sub}",
    "append:{sub}/**",
  ]);
  assert.deepEqual(accessControl.anonymous.map(textOfRule), ["read:public/**", "list:**"]);
  const { adminTokenFile, jwtJwksUrl, jwtIssuer, jwtAudience, jwtClaim } = accessControl;
  assert.deepEqual([adminTokenFile, jwtJwksUrl, jwtIssuer, jwtAudience, jwtClaim], [
    "a",
    "https://i/keys",
    "i",
    "u",
    "c",
  ]);
  assert.match(problemOf(["--anonymous=admin:**"]), /cannot have admin/);
  assert.match(problemOf(["--anonymous=write:**"]), /"write" is no operation/);
  assert.match(problemOf(["--jwt-rules=read:{sub}**"]), /\*\* or literal/);
  assert.match(problemOf(["--jwt-jwks-url=http://issuer.example/"]), /not an https URL/);
  assert.match(problemOf(["--jwt-audience=a"]), /no JWT is accepted/);
  assert.match(
    problemOf(["--jwt-jwks-url=https://i/", "--jwt-public-key-file=k"]),
    /give one of them/,
  );
  for (const flag of ["--admin-token-file=a", "--jwt-secret-file=a", "--anonymous=read:a"]) {
    assert.equal(configOf(["--host=0.0.0.0", flag]).host, "0.0.0.0", "it may listen anywhere");
  }
});

Deno.test("a folder that a flag names wins over a URL of the environment, and both are told", () => {
  const url = "postgres://h/d";
  const rows: [args: string[], environment: Environment, chosen: unknown[]][] = [
    [[], {}, [null, null, "default", null]],
    [["--data-dir=/f"], {}, [null, "/f", "--data-dir", null]],
    [["--data-dir=/f"], { DATABASE_URL: url }, [null, "/f", "--data-dir", "DATABASE_URL"]],
    // What is not used need not be right.
    [["--data-dir=/f"], { DATABASE_URL: "mysql://x" }, [null, "/f", "--data-dir", "DATABASE_URL"]],
    [["--data-dir="], { DATABASE_URL: url }, [url, null, "DATABASE_URL", null]],
    [["--data-dir=/f", `--database-url=${url}`], {}, [url, null, "--database-url", "--data-dir"]],
    [["--database-url="], { DATABASE_URL: url }, [null, null, "default", null]],
    [["--database-url="], { PENSTOCK_DATA_DIR: "/e" }, [null, "/e", "PENSTOCK_DATA_DIR", null]],
    [[], { DATABASE_URL: url, PENSTOCK_DATA_DIR: "/e" }, [
      url,
      null,
      "DATABASE_URL",
      "PENSTOCK_DATA_DIR",
    ]],
  ];
  for (const [args, environment, chosen] of rows) {
    const { databaseUrl, dataDir, databaseSource, databaseIgnored } = configOf(args, environment);
    assert.deepEqual([databaseUrl, dataDir, databaseSource, databaseIgnored], chosen, args.join());
  }
});

Deno.test("several workers need a database that several processes can share", () => {
  assert.match(problemOf(["--workers=2"]), /--workers: the embedded database serves one process/);
  assert.match(problemOf(["--workers=0"]), /--workers: "0" is not a whole number from 1 to 256/);
  assert.equal(configOf(["--workers=2", "--database-url=postgres://h/d"]).workers, 2);
  assert.equal(configOf([], { PENSTOCK_WORKERS: "3", DATABASE_URL: "postgres://h/d" }).workers, 3);
  assert.equal(configOf(["--workers=2", "--workers=1"]).workers, 1);
});

Deno.test("all that is wrong is said at once, a line each", () => {
  const problem = problemOf(["--port=x", "--log-level=loud"], {
    PENSTOCK_LONG_POLL_TIMEOUT: "soon",
  });
  assert.deepEqual(problem.split("\n").map((line) => line.split(":")[0]), [
    "--port",
    "PENSTOCK_LONG_POLL_TIMEOUT",
    "--log-level",
  ]);
});

Deno.test("a flag mends what is wrong in the environment", () => {
  assert.equal(configOf(["--port=5"], { PENSTOCK_PORT: "x" }).port, 5);
});

Deno.test("an address others can reach is refused unless anyone may come", () => {
  for (
    const host of ["0.0.0.0", "::", "[::]", "192.168.1.2", "example.org", "128.0.0.1", "1127.0.0.1"]
  ) {
    for (const problem of [problemOf(["--host", host]), problemOf([], { PENSTOCK_HOST: host })]) {
      assert.match(problem, /is reachable from other machines/);
      assert.match(problem, /--allow-anonymous/);
    }
    const bare = host.replace(/[[\]]/g, "");
    assert.equal(configOf(["--host", host, "--allow-anonymous"]).host, bare);
    assert.equal(configOf(["--host", host], { PENSTOCK_ALLOW_ANONYMOUS: "true" }).host, bare);
    assert.match(problemOf(["--host", host], { PENSTOCK_ALLOW_ANONYMOUS: "false" }), /reachable/);
  }
});
