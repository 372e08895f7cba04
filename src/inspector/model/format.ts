/** Figures and times as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `512 B`, `64 KiB`, `1.4 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `12,345`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** `940`, `12.3k`, `1.2M`. */
export function formatCompact(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return "0";
  if (value < 1) return value.toFixed(2);
  if (value < 10) return value.toFixed(Number.isInteger(value) ? 0 : 1);
  if (value < 1000) return String(Math.round(value));
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)}k`;
  return `${(value / 1e6).toFixed(1)}M`;
}

/** `0.4 ms`, `12 ms`, `1.2 s`. */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null) return "–";
  const ms = seconds * 1000;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${seconds.toFixed(1)} s`;
}

const SPANS: readonly (readonly [number, string])[] = [[86_400, "d"], [
  3600,
  "h",
], [60, "m"]];

/** `45 s`, `3 m`, `2 h`, `8 d`. */
export function formatSpan(seconds: number): string {
  for (const [size, unit] of SPANS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

/** How long ago an RFC 3339 time was: `now`, `3 m`; a dash for none. */
export function formatAge(
  time: string | null | undefined,
  nowMs: number,
): string {
  if (time === null || time === undefined) return "–";
  const seconds = (nowMs - Date.parse(time)) / 1000;
  return seconds < 2 ? "now" : formatSpan(seconds);
}

/** `2026-11-24 21:04:09`, in the time of this browser. */
export function formatTime(time: string | null | undefined): string {
  if (time === null || time === undefined) return "–";
  const date = new Date(time);
  const pad = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${clock(date)}`;
}

/** `21:04:09.123`. */
export function formatClock(ms: number): string {
  const date = new Date(ms);
  return `${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function clock(date: Date): string {
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return parts.map((value) => String(value).padStart(2, "0")).join(":");
}

/** The bytes before an offset: its first half is the position. NaN for what is no offset. */
export function positionOf(offset: string): number {
  return /^\d{16}_\d{16}$/.test(offset) ? Number(offset.slice(0, 16)) : NaN;
}
