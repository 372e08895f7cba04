/** Settings: where they come from, what is refused and in which words, and that no secret is said. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { logFormatOf, parseCommand, unknownVariables } from "../../src/cli/command_line.ts";
import { type Config, ConfigError, type Environment } from "../../src/cli/config.ts";
import { isLoopback, parseDuration, parseSize } from "../../src/cli/setting_values.ts";
import { helpText } from "../../src/cli/help.ts";
import { textOfRule } from "../../src/access/rules.ts";
import { type Option, type OptionName, OPTIONS } from "../../src/cli/options.ts";
import { parseQuotas } from "../../src/cli/limit_settings.ts";
import { parseRetentionRules } from "../../src/streams/retention/rules.ts";

function configOf(args: readonly string[], environment: Environment = {}): Config {
  const command = parseCommand(args, environment);
  assert.ok(command.name === "serve" || command.name === "migrate");
  return command.config;
}

function problemOf(args: readonly string[], environment: Environment = {}): string {
  try {
    parseCommand(args, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail(`taken: ${args.join(" ")}`);
}

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

Deno.test("a variable that is no setting is found, with the setting that is nearest", () => {
  assert.deepEqual(
    unknownVariables({
      PENSTOCK_LOG_LEVLE: "x",
      PENSTOCK_QUUX_FROB: "x",
      PENSTOCK_LOG_LEVEL: "info",
      PENSTOCK_URL: "x",
      PENSTOCK_TOKEN: "x",
      PENSTOCK_WORKER: "1",
      DATABASE_URL: "x",
      HOME: "/",
    }),
    [
      { variable: "PENSTOCK_LOG_LEVLE", nearest: "PENSTOCK_LOG_LEVEL" },
      { variable: "PENSTOCK_QUUX_FROB", nearest: null },
    ],
  );
  for (const option of Object.values<Option>(OPTIONS)) {
    assert.deepEqual(unknownVariables({ [option.environment]: "" }), []);
  }
});

Deno.test("the format of the log is known of a command line that is wrong otherwise", () => {
  assert.equal(logFormatOf(["--prot", "--log-format=json"], {}, true), "json");
  assert.equal(
    logFormatOf(["--log-format", "text"], { PENSTOCK_LOG_FORMAT: "json" }, false),
    "text",
  );
  assert.equal(logFormatOf([], { PENSTOCK_LOG_FORMAT: "json" }, true), "json");
  for (const args of [[], ["--log-format"], ["--log-format=xml"], ["--log-format", "auto"]]) {
    assert.equal(logFormatOf(args, {}, true), "text");
    assert.equal(logFormatOf(args, {}, false), "json");
  }
});

Deno.test("several workers need a database that several processes can share", () => {
  assert.match(problemOf(["--workers=2"]), /--workers: the embedded database serves one process/);
  assert.match(problemOf(["--workers=0"]), /--workers: "0" is not a whole number from 1 to 256/);
  assert.equal(configOf(["--workers=2", "--database-url=postgres://h/d"]).workers, 2);
  assert.equal(configOf([], { PENSTOCK_WORKERS: "3", DATABASE_URL: "postgres://h/d" }).workers, 3);
  assert.equal(configOf(["--workers=2", "--workers=1"]).workers, 1);
});

Deno.test("parseCommand knows its commands", () => {
  assert.equal(parseCommand(["serve"], {}).name, "serve");
  assert.equal(parseCommand(["migrate", "--port", "1"], {}).name, "migrate");
  assert.equal(parseCommand(["keys", "rotate", "--port=1"], {}).name, "keys rotate");
  assert.match(problemOf(["keys"]), /unknown command "keys"/);
  assert.equal(problemOf(["keys", "rotate", "now"]), 'unexpected argument "now"');
  for (const args of [["--help"], ["-h"], ["help"], ["serve", "--help"], ["x", "-h"]]) {
    assert.deepEqual(parseCommand(args, {}), { name: "help" });
  }
  for (const args of [["--version"], ["-V"], ["-v"], ["version"], ["serve", "--version"]]) {
    assert.deepEqual(parseCommand(args, {}), { name: "version" });
  }
  assert.equal(
    problemOf(["run"]),
    'unknown command "run": there are serve, migrate, keys rotate, healthcheck, check, version, help, create, append, read, tail, stat, ls, close, fork, trim, rm, status, import, sub, token, completions, dump, load, copy',
  );
  assert.equal(problemOf(["serve", "now"]), 'unexpected argument "now"');
  assert.match(problemOf(["--prot=1"]), /--prot/);
  assert.match(problemOf(["--port"]), /--port/);
  assert.match(problemOf(["--allow-anonymous=yes"]), /--allow-anonymous/);
  assert.match(problemOf(["-p", "1"]), /-p/);
});

Deno.test("every bad value is refused with what would be good", () => {
  const time = "is not a time from 1ms to 60m, such as 500ms, 30s or 2m";
  const size = "is not a size from 1 byte to 256MiB, such as 65536 or 16MiB";
  const port = "is not a whole number from 0 to 65535";
  const connections = "is not a whole number from 2 to 1000";
  const levels = "is none of debug, info, warning, error, silent";
  const rows: [Option, string[], string][] = [
    [OPTIONS.host, ["a b", "http://x", "a/b", "[::1", "é"], "is not an address"],
    [OPTIONS.port, ["-1", "65536", "1.5", "1e3", "x", "0x50", " 80"], port],
    [OPTIONS.databaseConnections, ["1", "0", "1001", "many"], connections],
    [OPTIONS.databaseTimeout, ["0", "0.4ms", "61m", "1h", "-5s", "5 s", ".5s"], time],
    [OPTIONS.longPollTimeout, ["0s", "3601s", "x", "1e3ms", "Infinity"], time],
    [OPTIONS.maxAppendBytes, ["0", "257MiB", "16MB", "1GiB", "-1", "1.5MiB", "x"], size],
    [OPTIONS.bodyTimeout, ["0", "61m", "never"], time],
    [OPTIONS.maxBufferedBytes, ["0", "1025GiB", "x"], size.replace("256MiB", "1048576MiB")],
    [OPTIONS.maxFollowers, ["0", "10000001", "x"], "is not a whole number from 1 to 10000000"],
    [OPTIONS.logFormat, ["yaml", "JSON"], "is none of auto, text, json"],
    [OPTIONS.logLevel, ["warn", "INFO", "trace"], levels],
    [OPTIONS.accessLog, ["on", "JSON"], "is none of off, text, json"],
  ];
  for (const [option, values, words] of rows) {
    for (const value of values) {
      assert.equal(
        problemOf([`--${option.flag}=${value}`]),
        `--${option.flag}: "${value}" ${words}`,
      );
      const problem = problemOf([], { [option.environment]: value });
      assert.equal(problem, `${option.environment}: "${value}" ${words}`);
    }
  }
  assert.equal(
    problemOf([], { PENSTOCK_ALLOW_ANONYMOUS: "yes" }),
    'PENSTOCK_ALLOW_ANONYMOUS: "yes" is none of true, false',
  );
  assert.equal(problemOf(["--host="]), '--host: "" is not an address');
  const expected = "expected postgres://";
  assert.match(
    problemOf(["--database-url=x"]),
    new RegExp(`^--database-url: not a URL; ${expected}`),
  );
  assert.match(problemOf([], { DATABASE_URL: "x" }), /^DATABASE_URL: not a URL;/);
  assert.equal(
    problemOf([], { DATABASE_URL: "mysql://h/d" }),
    `DATABASE_URL: a mysql: URL; ${expected}…`,
  );
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

Deno.test("the public URL is an origin, and nothing that streams are not under", () => {
  assert.equal(
    configOf(["--public-url=https://Streams.example:443"]).publicUrl,
    "https://streams.example",
  );
  const refused = (url: string) => problemOf([], { PENSTOCK_PUBLIC_URL: url });
  assert.equal(refused("x"), 'PENSTOCK_PUBLIC_URL: "x" is not a URL; expected https://host');
  assert.equal(refused("ftp://h"), "PENSTOCK_PUBLIC_URL: a ftp: URL; expected https://host");
  for (
    const url of ["https://h/a", "https://h/?a", "https://h/#a", "https://u@h", "https://u:p@h"]
  ) {
    assert.match(refused(url), /give the URL without path, query or user$/, url);
  }
});

Deno.test("webhooks reach nothing but the internet unless the operator names it", () => {
  for (const args of [[], ["--public-url=http://localhost:4437"]]) {
    assert.deepEqual(configOf(args, { PENSTOCK_WEBHOOK_ALLOW: "" }).webhookAllow, []);
  }
  const { webhookAllow } = configOf(["--webhook-allow", "a.internal:4700, 10.0.0.0/8"], {});
  assert.deepEqual(webhookAllow.map(({ port }) => port), [4700, null]);
  assert.equal(configOf([], { PENSTOCK_WEBHOOK_ALLOW: "b" }).webhookAllow.length, 1);
  assert.match(
    problemOf(["--webhook-allow", "a/8"], {}),
    /^--webhook-allow: "a\/8" is no host, address or network/,
  );
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

Deno.test("isLoopback knows this machine's own addresses", () => {
  for (const host of ["127.0.0.1", "127.8.9.10", "::1", "localhost"]) assert.ok(isLoopback(host));
  for (
    const host of ["127.0.0.1.example.org", "127.1", "localhost.example.org", "", "0", "::ffff"]
  ) {
    assert.ok(!isLoopback(host), host);
  }
});

const PASSWORD = "Tr0ub4dor";

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

Deno.test("parseDuration and parseSize read every whole amount of their units", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 3_600_000 }), (n) => {
    assert.equal(parseDuration(`${n}ms`), n);
    if (n <= 3600) assert.equal(parseDuration(`${n}`), n * 1000);
    if (n <= 3600) assert.equal(parseDuration(`${n}s`), n * 1000);
    if (n <= 60) assert.equal(parseDuration(`${n}m`), n * 60_000);
    assert.equal(parseSize(`${n}`, 2 ** 40), n);
    if (n <= 256 << 10) assert.equal(parseSize(`${n}KiB`, 2 ** 40), n << 10);
  }));
  assert.equal(parseDuration("0.001s"), 1);
  assert.equal(parseSize("16MiB", 2 ** 40), 16 << 20);
  assert.equal(parseSize("3GiB", 2 ** 40), 3 * 2 ** 30);
});

Deno.test("the help names every flag, variable and default", () => {
  const help = helpText();
  for (const { flag, environment, value, fallback } of Object.values<Option>(OPTIONS)) {
    assert.ok(help.includes(value === undefined ? `--${flag}\n` : `--${flag} <${value}>\n`), flag);
    assert.ok(help.includes(`(${environment})`), environment);
    if (value !== undefined && fallback !== "") assert.ok(help.includes(`[${fallback}]`), fallback);
  }
  for (const word of ["serve", "migrate", "--version", "--help"]) assert.ok(help.includes(word));
});

Deno.test("rates, proxies, certificates and the admin listener are read, or refused with a reason", () => {
  const { rates, trustedProxies, certificateFiles } = configOf([
    ...["--rate", "append=1000/s, bytes=10MiB/s,create=50/m"],
    ...["--trusted-proxies", "127.0.0.1,fd00::/8", "--tls-cert", "c", "--tls-key", "k"],
  ]);
  assert.deepEqual(rates.get("bytes"), { quota: 10 << 20, windowSeconds: 1 });
  assert.deepEqual(rates.get("create"), { quota: 50, windowSeconds: 60 });
  assert.deepEqual(trustedProxies.map(([address, length]) => `${address}/${length}`), [
    "127.0.0.1/32",
    "fd00::/8",
  ]);
  assert.deepEqual(certificateFiles, { certFile: "c", keyFile: "k" });
  assert.match(problemOf(["--rate=append=0/s"]), /whole number from 1/);
  assert.match(problemOf(["--rate=write=1/s"]), /none of append, create, read, bytes/);
  assert.match(problemOf(["--rate=append=1/s,append=2/s"]), /twice/);
  assert.match(problemOf(["--rate=append=1/h"]), /not a rate/);
  assert.match(problemOf(["--trusted-proxies=example.com"]), /not an address or a network/);
  assert.match(problemOf(["--tls-cert=c"]), /each needs the other/);
  assert.match(problemOf(["--admin-port=1", "--admin-host=0.0.0.0"]), /no access control/);
});
