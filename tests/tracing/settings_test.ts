/** Which of OpenTelemetry's variables are heeded, and what becomes of those that cannot be. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, parseTracing } from "../../src/tracing/settings.ts";
import { statementName } from "../../src/tracing/statement_name.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

function parse(environment: Environment) {
  const problems: string[] = [];
  return { settings: parseTracing(environment, problems), problems };
}

Deno.test("parseTracing traces nothing without an endpoint, or where it is switched off", () => {
  for (
    const environment of [
      {},
      { OTEL_SERVICE_NAME: "orders" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
      { ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
      { ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" },
    ]
  ) assert.deepEqual(parse(environment), { settings: null, problems: [] });
});

Deno.test("parseTracing has the paths and defaults of the standard", () => {
  const { settings } = parse(ENDPOINT);
  assert.deepEqual(settings, {
    url: "http://collector:4318/v1/traces",
    headers: null,
    sampler: "parentbased_always_on",
    ratio: 1,
    maxQueued: 2048,
    delayMs: 5000,
    ignored: [],
  });
  const base = parse({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector/base/" });
  assert.equal(base.settings?.url, "https://collector/base/v1/traces");
  const own = parse({ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://other/spans" });
  assert.equal(own.settings?.url, "http://other/spans");
});

Deno.test("parseTracing refuses what nothing can be sent to, and ignores other mistakes", () => {
  for (const url of ["collector:4318", "ftp://collector", "http://"]) {
    const { settings, problems } = parse({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
    assert.equal(settings, null);
    assert.deepEqual(problems, ["OTEL_EXPORTER_OTLP_ENDPOINT: it is no http or https URL"]);
  }
  const { settings, problems } = parse({
    ...ENDPOINT,
    OTEL_TRACES_SAMPLER: "xray",
    OTEL_TRACES_SAMPLER_ARG: "2",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    OTEL_BSP_MAX_QUEUE_SIZE: "many",
  });
  assert.deepEqual(problems, []);
  assert.equal(settings?.sampler, "parentbased_always_on");
  assert.equal(settings?.ratio, 1);
  assert.equal(settings?.maxQueued, 2048);
  assert.deepEqual(settings?.ignored.map(({ variable }) => variable).sort(), [
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
  ]);
});

Deno.test("parseTracing reads headers, which are secret, from a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-tracing-"));
  try {
    const file = join(folder, "headers");
    writeFileSync(file, "x-api-key=secret\n");
    const { settings } = parse({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS_FILE: file });
    assert.equal(settings?.headers, "x-api-key=secret");
    const missing = parse({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS_FILE: join(folder, "no") });
    assert.match(
      missing.problems.join(),
      /^OTEL_EXPORTER_OTLP_HEADERS_FILE: cannot read .*ENOENT$/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

Deno.test("statementName says which function is called, and nothing else of a statement", () => {
  assert.equal(statementName("select * from penstock.load_states($1::text[])"), "load_states");
  assert.equal(statementName("select 'secret'"), "select");
  assert.equal(statementName("transaction"), "transaction");
});
