import assert from "node:assert/strict";
import type { Figure } from "../../bench/report/figures.ts";
import { horizonTables } from "../../bench/report/horizon.ts";
import { peerTables, renderPeers } from "../../bench/report/peers.ts";
import { smallAppendTables } from "../../bench/report/small_appends.ts";
import { renderReportTable, renderTable } from "../../bench/report/table.ts";
import { horizons } from "../../bench/scenarios/horizon.ts";
import { smallAppends } from "../../bench/scenarios/small_appends.ts";
import { THROUGHPUT } from "../../bench/scenarios/scenario.ts";
import { sampleRun, samples } from "./sample_run.ts";

const load = { scenario: "peers-append-64", title: "append 100 B", metrics: THROUGHPUT };
const PEERS: readonly Figure[] = [
  { ...load, subject: "rust", samples: samples(50_000) },
  { ...load, subject: "binary+postgres", samples: samples(25_000, 24_000, 100_000) },
];

Deno.test("a peer's cell has the rate, the p99, the CPU, and ratios to the Rust server", () => {
  const [table] = peerTables(PEERS);
  const [, [title, rust, binary, embedded] = []] = table?.rows ?? [];
  assert.equal(title, "append 100 B");
  assert.equal(rust, "50,000 req/s, p99 9.5 ms, 20 µs");
  assert.equal(binary, "25,000 req/s (0.5 x), p99 9.5 ms (1 x), 40 µs");
  assert.equal(embedded, "–");
  assert.match(renderPeers(PEERS), /^ {2}Penstock binary \+ PostgreSQL {2}25,000 req/m);
});

Deno.test("a peer that cannot be built is left out with a word, and the others have no ratio", () => {
  const [, ...others] = PEERS;
  const leftOut = "cargo is not installed";
  const figures = [{ ...load, subject: "rust", samples: [], leftOut } as const, ...others];
  const [, [, rust, binary] = []] = peerTables(figures)[0]?.rows ?? [];
  assert.equal(rust, `left out: ${leftOut}`);
  assert.equal(binary, "25,000 req/s, p99 9.5 ms, 40 µs");
  assert.match(renderTable(sampleRun(figures)), /Rust +left out: cargo is not installed/);
});

Deno.test("the horizon table has what was before, what was held, and the ratio", () => {
  const { id: scenario, title, metrics } = horizons[0]!;
  const values = { "get before": 4000, "get held": 1000, "get": 0.25, "get cpu held": 80 };
  const figure: Figure = {
    ...{ scenario, title, metrics, subject: "binary+postgres" },
    samples: [{ values: { ...values, seconds: 600 } }],
  };
  const [table] = horizonTables([figure]);
  const row = table?.rows.find(([name]) => name?.startsWith("GET/s at the tail,"));
  assert.deepEqual(row?.slice(1, 4), ["4,000", "1,000", "0.25 x"]);
  assert.equal(row?.at(-1), "80 µs");
  assert.match(renderReportTable(table!), /Under load for 600 s/);
  const [failed] = horizonTables([{ ...figure, samples: [], error: "the disk is full" }]);
  assert.deepEqual([failed?.rows, failed?.legend], [[], "Not measured: the disk is full"]);
});

Deno.test("the table of small appends has a dash where a server cannot say", () => {
  const { id: scenario, title, metrics } = smallAppends[0]!;
  const figure = { scenario, title, metrics } as const;
  const figures: Figure[] = [
    { ...figure, subject: "binary+postgres", samples: [{ values: { "wal written": 15 } }] },
    { ...figure, subject: "binary+embedded", samples: [{ values: {} }] },
  ];
  const row = smallAppendTables(figures)[0]?.rows.find(([name]) => name === "WAL, once written");
  assert.deepEqual(row, ["WAL, once written", "15 x", "–"]);
  assert.ok(!renderTable(sampleRun(figures)).includes("small-appends"));
});
