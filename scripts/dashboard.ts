/**
 * `deno run -A scripts/dashboard.ts [seconds]`: draws docs/images/dashboard.png. A Prometheus scrapes a
 * server that is under a mixed load, in which a few things go wrong; the panels of scripts/grafana.json
 * are asked of it and plotted on one page, of which Chromium makes the picture. Needs both programs.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import process from "node:process";
import { tmpdir } from "node:os";
import { startChromium } from "../tests/support/programs/chromium.ts";
import { type RunningPrometheus, startPrometheus } from "../tests/support/programs/prometheus.ts";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { startServer } from "../tests/support/server.ts";
import { MAX_FOLLOWERS, startLoad, startReceiver } from "./dashboard/load.ts";
import { withPalette } from "./dashboard/palette.ts";
import { dashboardPage, type Panel, type PanelData } from "./dashboard/page.ts";

const ROOT = join(import.meta.dirname!, "..");
const PICTURE = join(ROOT, "docs/images/dashboard.png");
const SECONDS = Number(process.argv[2] ?? 75);
/** Of what was measured, the first seconds are the runtime's start. */
const SHOWN_S = SECONDS - 10;
const STEP_S = 1;
const RATE_INTERVAL = "8s";

const CONFIGURATION = (port: number) => `
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: penstock
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]
`;

const data = await measure();
const page = join(tmpdir(), `penstock-dashboard-${process.pid}.html`);
writeFileSync(page, dashboardPage(data, SHOWN_S));
try {
  await using chromium = await startChromium({ args: ["--disable-lcd-text"] });
  const tab = await chromium.openPage();
  await tab.playwright.setViewportSize({ width: 1082, height: 800 });
  await tab.goto(pathToFileURL(page).href);
  mkdirSync(dirname(PICTURE), { recursive: true });
  const picture = withPalette(await tab.playwright.screenshot({ fullPage: true }));
  writeFileSync(PICTURE, picture);
  console.log(`${PICTURE}: ${(picture.length / 1024).toFixed(0)} KiB`);
} finally {
  rmSync(page);
}

async function measure(): Promise<PanelData[]> {
  await using stack = new AsyncDisposableStack();
  const postgres = await startPostgres();
  stack.defer(() => postgres.stop());
  const database = await freshDatabase(postgres.url);
  const receiver = await startReceiver();
  stack.defer(() => receiver.stop());
  const node = await startServer({
    database: { url: database.url },
    args: [
      ...["--max-followers", String(MAX_FOLLOWERS), "--webhook-allow", "127.0.0.1"],
      ...["--database-timeout", "2s"],
    ],
  });
  stack.defer(() => node.kill());
  const prometheus = await startPrometheus({
    config: CONFIGURATION(Number(new URL(node.url).port)),
  });
  stack.defer(() => prometheus.stop());
  await prometheus.samples("penstock_build_info");
  const load = startLoad({ url: node.url, receiver: receiver.url, postgres, seconds: SECONDS });
  await load.finished;
  const end = Date.now() / 1000;
  const { panels } = JSON.parse(readFileSync(join(ROOT, "scripts/grafana.json"), "utf8")) as {
    panels: readonly Panel[];
  };
  return await Promise.all(panels.map((panel) => ask(prometheus, panel, end)));
}

interface RangeSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

async function ask(prometheus: RunningPrometheus, panel: Panel, end: number): Promise<PanelData> {
  const series = [];
  for (const { expr, legendFormat } of panel.targets ?? []) {
    const query = expr.replaceAll("$__rate_interval", RATE_INTERVAL).replaceAll("$instance", ".*");
    const parameters = new URLSearchParams({
      query,
      start: String(end - SHOWN_S),
      end: String(end),
      step: String(STEP_S),
    });
    const { result } = await prometheus.api<{ result: RangeSeries[] }>(
      `/api/v1/query_range?${parameters}`,
    );
    for (const { metric, values } of result) {
      const name = legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? "");
      const points = values.map(([time, value]) => [time - end + SHOWN_S, Number(value)] as const);
      series.push({ name: name.trim(), points: points.filter(([, y]) => Number.isFinite(y)) });
    }
  }
  return { panel, series };
}
