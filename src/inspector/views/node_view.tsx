/** The node that served this page: what it does now, as plots. */
import type { NodeReport, Quantiles } from "../api/node.ts";
import type { ApiError } from "../api/request.ts";
import { maySome } from "../api/permissions.ts";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { Plot } from "../components/plot.tsx";
import {
  formatAge,
  formatBytes,
  formatCompact,
  formatCount,
  formatSeconds,
} from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { nodeError, rates, type Sample, samples } from "../node_samples.ts";

export function NodeView() {
  const list = samples.value;
  const latest = list.at(-1)?.report;
  return (
    <main class="view">
      <header class="view-head">
        <h1>Node</h1>
        {latest !== undefined && (
          <p class="sub">
            <bdi>{visibleText(latest.node)}</bdi> · {latest.version} · up{" "}
            {formatAge(latest.started_at, Date.now())}
          </p>
        )}
      </header>
      <div class="scroll" tabIndex={0}>
        {!maySome("admin") || nodeError.value?.status === 403
          ? <Notice title="A token with the right admin sees the node" />
          : latest === undefined
          ? <Missing error={nodeError.value} />
          : <Figures list={list} latest={latest} />}
      </div>
    </main>
  );
}

function Missing({ error }: { readonly error: ApiError | null }) {
  if (error === null) return <Notice title="Waiting for the first figures" />;
  // The route is there on every server: it was moved.
  if (error.status === 404) {
    return (
      <Notice title="This port does not serve the node's figures">
        <p>
          The server was started with <code>--admin-port</code>: what operators ask for,{" "}
          <code>__ds/node</code> among it, is served there.
        </p>
      </Notice>
    );
  }
  return <ErrorNotice error={error} />;
}

function Figures({ list, latest }: {
  readonly list: readonly Sample[];
  readonly latest: NodeReport;
}) {
  return (
    <>
      <Tiles latest={latest} />
      <Plots list={list} latest={latest} />
    </>
  );
}

function Tiles({ latest }: { readonly latest: NodeReport }) {
  const { database, totals, followers, subscriptions } = latest;
  const kind = database.kind === "embedded" ? "embedded PostgreSQL" : "PostgreSQL";
  const { due, leased, failing } = subscriptions;
  return (
    <dl class="tiles">
      <Tile
        name="Database"
        value={database.bytes === null ? "–" : formatBytes(database.bytes)}
        more={`${kind} ${database.version ?? ""}`}
      />
      <Tile
        name="Appends"
        value={formatCount(totals.appends)}
        more={`${formatBytes(totals.append_bytes)} in ${formatCount(totals.commits)} commits`}
      />
      <Tile
        name="Reads"
        value={formatCount(totals.reads)}
        more={formatBytes(totals.read_bytes)}
      />
      <Tile
        name="Followers"
        value={formatCount(followers.long_poll + followers.sse)}
        more={`${formatCount(followers.long_poll)} long-poll, ${formatCount(followers.sse)} SSE`}
      />
      <Tile
        name="Deliveries"
        value={failing ? `${failing} failing` : leased === null ? "–" : `${leased} leased`}
        more={due === null ? "" : `${formatCount(due)} due`}
        bad={failing !== null && failing > 0}
      />
      <Tile
        name="Requests"
        value={formatCount(totals.requests)}
        more={`${formatCount(totals.refused)} refused`}
      />
    </dl>
  );
}

function Tile({ name, value, more, bad = false }: {
  readonly name: string;
  readonly value: string;
  readonly more: string;
  readonly bad?: boolean;
}) {
  return (
    <div class={bad ? "tile bad" : "tile"}>
      <dt>{name}</dt>
      <dd class="tile-value">{value}</dd>
      <dd class="tile-more">{visibleText(more, 60)}</dd>
    </div>
  );
}

function Plots({ list, latest }: {
  readonly list: readonly Sample[];
  readonly latest: NodeReport;
}) {
  const times = list.map(({ at }) => at);
  const appends = rates(list, ({ totals }) => totals.appends);
  const reads = rates(list, ({ totals }) => totals.reads);
  const bytes = rates(list, ({ totals }) => totals.append_bytes);
  const perSecond = (values: (number | null)[]) => `${formatCompact(values.at(-1) ?? 0)}/s`;
  const quantiles = (pick: (report: NodeReport) => Quantiles) =>
    (["p50", "p99"] as const).map((label) => ({
      label,
      values: list.map(({ report }) => pick(report)[label]),
    }));
  const latency = (name: "append" | "commit" | "wake_up") => {
    const { p50, p99 } = latest.latency_seconds[name];
    return p50 === null ? "idle" : `${formatSeconds(p50)} · ${formatSeconds(p99)}`;
  };
  const memory = latest.memory_bytes;
  const sizes = latest.commit_streams;
  return (
    <div class="plots">
      <Plot
        title="Appends"
        now={perSecond(appends)}
        times={times}
        reach={4}
        format={formatCompact}
        series={[{ label: "per second", values: appends }]}
      />
      <Plot
        title="Reads"
        now={perSecond(reads)}
        times={times}
        reach={4}
        format={formatCompact}
        series={[{ label: "per second", values: reads }]}
      />
      <Plot
        title="Bytes appended"
        now={`${formatBytes(bytes.at(-1) ?? 0)}/s`}
        times={times}
        reach={1024}
        format={formatBytes}
        series={[{ label: "per second", values: bytes }]}
      />
      <Plot
        title="Append latency"
        now={latency("append")}
        times={times}
        format={formatSeconds}
        series={quantiles(({ latency_seconds: seconds }) => seconds.append)}
      />
      <Plot
        title="Commit latency"
        now={latency("commit")}
        times={times}
        format={formatSeconds}
        series={quantiles(({ latency_seconds: seconds }) => seconds.commit)}
      />
      <Plot
        title="Wake-up delay"
        now={latency("wake_up")}
        times={times}
        format={formatSeconds}
        series={quantiles(({ latency_seconds: seconds }) => seconds.wake_up)}
      />
      <Plot
        title="Streams per commit"
        now={sizes.p50 === null
          ? "idle"
          : `${formatCompact(sizes.p50)} · ${formatCompact(sizes.p99)}`}
        times={times}
        reach={4}
        format={formatCompact}
        series={quantiles((report) => report.commit_streams)}
      />
      <Plot
        title="Memory"
        now={formatBytes(memory.rss)}
        times={times}
        reach={1048576}
        format={formatBytes}
        series={(["rss", "heap", "buffered"] as const).map((label) => ({
          label,
          values: list.map(({ report }) => report.memory_bytes[label]),
        }))}
      />
      <Plot
        title="Event loop delay, p99"
        now={formatSeconds(latest.event_loop_delay_seconds.p99 ?? 0)}
        times={times}
        format={formatSeconds}
        series={[{
          label: "p99",
          values: list.map(({ report }) => report.event_loop_delay_seconds.p99),
        }]}
      />
    </div>
  );
}
