/** The few statistics the bench needs, all of them of ranks: a mean on a shared machine says little. */

/** Of numbers in ascending order, by nearest rank; NaN when there are none. */
export function percentile(ascending: readonly number[], percent: number): number {
  const rank = Math.ceil(ascending.length * percent / 100);
  return ascending[Math.max(0, rank - 1)] ?? NaN;
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

export function summarize(values: readonly number[]): Summary {
  const ascending = [...values].sort((a, b) => a - b);
  return {
    median: middleOf(ascending),
    min: ascending[0] ?? NaN,
    max: ascending.at(-1) ?? NaN,
    count: ascending.length,
  };
}

/** Of numbers in ascending order: the middle one, or halfway between the middle two. */
function middleOf(ascending: readonly number[]): number {
  const middle = ascending.length >> 1;
  const upper = ascending[middle] ?? NaN;
  if (ascending.length % 2 === 1) return upper;
  return ((ascending[middle - 1] ?? NaN) + upper) / 2;
}

/** Of numbers in any order. */
export function median(values: readonly number[]): number {
  return summarize(values).median;
}
