/** Figures as people read them: three digits that matter, and a unit. */
import type { Metric } from "../scenarios/scenario.ts";

/** `12,346`, `123`, `12.3`, `1.23`, `0.123`. */
export function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function withUnit(value: number | undefined, unit: Metric["unit"]): string {
  const text = short(value);
  return text === "–" ? text : `${text} ${unit}`;
}

export function percent(share: number | undefined): string {
  return share === undefined || !Number.isFinite(share) ? "–" : `${(share * 100).toFixed(0)} %`;
}
