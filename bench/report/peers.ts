/** The peer table: each load a row, each server a column, with its ratio to the Rust server. */
import { PEERS } from "../scenarios/peers.ts";
import { type SubjectId, SUBJECTS } from "../servers/subjects.ts";
import { cpuOf, type Figure, find, summaryOf } from "./figures.ts";
import { short, withUnit } from "./numbers.ts";
import type { ReportTable } from "./table.ts";

const REFERENCE: SubjectId = "rust";

const LEGEND = "Medians of the rounds; (n x): over the Rust server's; µs: CPU time of the server " +
  "and of PostgreSQL, an operation.";

/** The table for the page, if peers were measured. */
export function peerTables(figures: readonly Figure[]): ReportTable[] {
  const rows = peerRows(figures);
  if (rows.length === 0) return [];
  return [{ scenario: "peers", title: "Peers, load by load", legend: LEGEND, rows }];
}

/** Rows of cells, the first of them the heading; empty when no peers were measured. */
function peerRows(figures: readonly Figure[]): string[][] {
  const ofPeers = figures.filter(({ scenario }) => scenario.startsWith("peers-"));
  if (ofPeers.length === 0) return [];
  const heading = ["load", ...PEERS.map((id) => SUBJECTS[id])];
  const scenarios = new Set(ofPeers.map(({ scenario }) => scenario));
  const rows = [...scenarios].map((scenario) => {
    const title = ofPeers.find((figure) => figure.scenario === scenario)?.title ?? scenario;
    return [title, ...PEERS.map((id) => cellOf(figures, scenario, id))];
  });
  return [heading, ...rows];
}

/** `36,000 req/s (0.65 x), p99 6.5 ms (1.9 x), 31 µs`. */
function cellOf(figures: readonly Figure[], scenario: string, id: SubjectId): string {
  const figure = find(figures, scenario, id);
  if (figure === undefined) return "–";
  if (figure.leftOut !== undefined) return `left out: ${figure.leftOut}`;
  const reference = find(figures, scenario, REFERENCE);
  const parts = figure.metrics.flatMap(({ name, unit }, index) => {
    if (index > 0 && name === "p50") return [];
    const own = summaryOf(figure, name)?.median;
    if (own === undefined) return [];
    const other = reference === undefined ? undefined : summaryOf(reference, name)?.median;
    const ratio = id === REFERENCE || other === undefined ? "" : ` (${short(own / other)} x)`;
    const label = index === 0 && name === "rate" ? "" : `${name} `;
    return [`${label}${withUnit(own, unit)}${name === "page" ? "" : ratio}`];
  });
  const [server, postgres] = [cpuOf(figure, "serverMicros"), cpuOf(figure, "postgresMicros")];
  if (server !== undefined) parts.push(`${short(server + (postgres ?? 0))} µs`);
  if (figure.error !== undefined) parts.push(`failed: ${figure.error}`);
  return parts.join(", ");
}

/** As text: a block a load, a line a server. */
export function renderPeers(figures: readonly Figure[]): string {
  const [heading, ...rows] = peerRows(figures);
  if (heading === undefined) return "";
  const width = Math.max(...heading.slice(1).map((name) => name.length));
  const lines = rows.flatMap(([title = "", ...cells]) => [
    title,
    ...cells.map((cell, index) => `  ${(heading[index + 1] ?? "").padEnd(width)}  ${cell}`),
  ]);
  return [`Peers. ${LEGEND}`, ...lines, ""].join("\n");
}
