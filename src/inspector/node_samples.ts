/** What the node has said, second by second, since the page was opened: the plots' data. */
import { signal } from "@preact/signals";
import { type ApiError, asApiError, session, sessionState } from "./api/request.ts";
import { type NodeReport, readNode } from "./api/node.ts";
import { maySome } from "./api/permissions.ts";

export interface Sample {
  /** Seconds since 1970. */
  readonly at: number;
  readonly report: NodeReport;
}

/** Two minutes, which the plots show. */
const MOST = 121;
const EVERY_MS = 1000;
const FINAL = [403, 404];

export const samples = signal<readonly Sample[]>([]);
export const nodeError = signal<ApiError | null>(null);

export function sampleNode(): void {
  // Another token may see it.
  session.subscribe(() => nodeError.value = null);
  // One after the other: two answers that come together would make a peak of what is none.
  const sample = async () => {
    await takeSample();
    setTimeout(sample, EVERY_MS);
  };
  void sample();
}

async function takeSample(): Promise<void> {
  if (document.hidden || sessionState.value !== "open" || !maySome("admin")) return;
  // Served on another port, or not to this token: another second brings no other answer.
  if (nodeError.value !== null && FINAL.includes(nodeError.value.status)) return;
  try {
    const report = await readNode(AbortSignal.timeout(5000));
    const kept = samples.value.at(-1)?.report.node === report.node ? samples.value : [];
    samples.value = [...kept.slice(1 - MOST), { at: Date.now() / 1000, report }];
    nodeError.value = null;
  } catch (error) {
    nodeError.value = asApiError(error);
  }
}

/** Per second, of a total that grows: for each sample, against the one before it. */
export function rates(
  list: readonly Sample[],
  total: (report: NodeReport) => number,
): (number | null)[] {
  return list.map(({ at, report }, index) => {
    const before = list[index - 1];
    if (before === undefined) return null;
    return Math.max(
      0,
      (total(report) - total(before.report)) / (at - before.at),
    );
  });
}
