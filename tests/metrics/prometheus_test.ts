/** A real Prometheus scrapes a running server, and the dashboard and the alerts ask for what is there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { append, createStream } from "../support/http.ts";
import { testWith } from "../support/programs/program.ts";
import { promtool, startPrometheus } from "../support/programs/prometheus.ts";
import { eventually, serverForThisFile } from "../system/support.ts";

const SCRIPTS = join(import.meta.dirname!, "../../scripts");
const ALERTS = readFileSync(join(SCRIPTS, "alerts.yml"), "utf8");
const DASHBOARD = readFileSync(join(SCRIPTS, "grafana.json"), "utf8");

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const panels = (JSON.parse(DASHBOARD) as { panels: readonly Panel[] }).panels;
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({
    title,
    expr: expr.replaceAll("$__rate_interval", "5s").replaceAll("$instance", ".*"),
  }))
);

const node = serverForThisFile("postgres");

/** The metrics that a text of PromQL asks for. */
function namesIn(text: string): string[] {
  return [...new Set([...text.matchAll(/\bpenstock_\w+/g)].map(([name]) => name))];
}

Deno.test("every metric of the dashboard and of the alerts is one of the running server", async () => {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const served = new Set<string>();
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) served.add(name! + suffix);
  }
  assert.ok(served.size > 60, `only ${served.size}`);
  for (const [file, content] of Object.entries({ DASHBOARD, ALERTS })) {
    const names = namesIn(content);
    assert.ok(names.length > 10, `${file} asks for ${names.length} metrics`);
    assert.deepEqual(names.filter((name) => !served.has(name)), [], file);
  }
});

testWith(["promtool"], "promtool finds nothing wrong with the metrics and the alerts", async () => {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const metrics = promtool(["check", "metrics"], { stdin: text });
  assert.equal(metrics.code, 0, metrics.output);
  const rules = promtool(["check", "rules", "--lint=all", "alerts.yml"], {
    files: { "alerts.yml": ALERTS },
  });
  assert.equal(rules.code, 0, rules.output);
});

const RULES_TEST = `
rule_files: [alerts.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - { series: 'up{job="penstock", instance="a"}', values: "1 0x20" }
      - { series: 'penstock_database_up{instance="b"}', values: "1 1 0x20" }
      - { series: 'penstock_turned_away_total{instance="c", by="append_queue"}', values: "0+60x20" }
      - { series: 'penstock_queue_requests{instance="d", queue="appends"}', values: "19000x20" }
      - { series: 'penstock_queue_limit{instance="d", queue="appends"}', values: "20000x20" }
    alert_rule_test:
ALERTS
      - { eval_time: 4m, alertname: PenstockNotListening, exp_alerts: [] }
`;

testWith(["promtool"], "the alerts fire for what they name, and not for the rest", () => {
  const expected = { PenstockDown: 1, PenstockDatabaseAway: 1, PenstockTurningAway: 1 };
  // promtool compares whole alerts; with none expected, it prints those that fired.
  for (const [alertname, count] of Object.entries({ ...expected, PenstockSlowAppends: 0 })) {
    const rules = RULES_TEST.replace(
      "ALERTS",
      `      - { eval_time: 4m, alertname: ${alertname}, exp_alerts: [] }`,
    );
    const { code, output } = promtool(["test", "rules", "test.yml"], {
      files: { "alerts.yml": ALERTS, "test.yml": rules },
    });
    assert.equal(code === 0, count === 0, output);
    if (count > 0) assert.match(output, new RegExp(`alertname="${alertname}"`), output);
  }
});

testWith(
  ["prometheus"],
  "Prometheus scrapes it, and answers every query of the dashboard",
  async () => {
    const prometheus = await startPrometheus({ targets: [node.port], rules: ALERTS });
    try {
      const url = await createStream(node.url);
      await append(url, "one");
      await prometheus.samples('penstock_build_info{job="penstock"}');
      await eventually(20_000, "a rate of appends", async () => {
        await append(url, "more");
        const [sample] = await prometheus.query(
          'sum(rate(penstock_requests_total{route="append",status="204"}[5s]))',
        );
        return (sample?.value ?? 0) > 0 || undefined;
      });
      const wrong: string[] = [];
      for (const { title, expr } of queries) {
        await prometheus.query(expr).catch((error) => wrong.push(`${title}: ${error.message}`));
      }
      assert.deepEqual(wrong, []);
      // The first row has a value at any time: no data would say that nothing is wrong.
      const first = panels.slice(1, 7).map(({ title }) => title);
      for (const { title, expr } of queries.filter(({ title }) => first.includes(title))) {
        const [sample] = await prometheus.query(expr);
        assert.equal(sample?.value, 0, title);
      }
      const p99 = queries.find(({ title }) => title === "Append latency")!;
      assert.ok((await prometheus.samples(p99.expr))[0]!.value > 0);
      const { groups } = await prometheus.api<{ groups: { rules: { health: string }[] }[] }>(
        "/api/v1/rules",
      );
      const rules = groups.flatMap(({ rules }) => rules);
      assert.equal(rules.length, [...ALERTS.matchAll(/- alert: /g)].length);
      await eventually(10_000, "all rules evaluated", async () => {
        const { groups } = await prometheus.api<{ groups: { rules: { health: string }[] }[] }>(
          "/api/v1/rules",
        );
        return groups.flatMap(({ rules }) => rules).every(({ health }) => health === "ok") ||
          undefined;
      });
      const { alerts } = await prometheus.api<{ alerts: unknown[] }>("/api/v1/alerts");
      assert.deepEqual(alerts, []);
    } finally {
      await prometheus.stop();
    }
  },
);
