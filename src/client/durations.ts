/** Times as they are typed: `90`, `30s`, `5m`, `1h`, `7d`. */
import { usageError } from "./exit_codes.ts";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Whole seconds; a bare number is seconds. */
export function parseSeconds(text: string): number {
  const match = /^(\d{1,10})([smhd])?$/.exec(text);
  if (match === null) throw usageError(`"${text}" is not a time such as 90, 30s, 5m, 1h or 7d`);
  return Number(match[1]) * SECONDS[(match[2] ?? "s") as keyof typeof SECONDS];
}

/** Milliseconds to try again for; `forever` is Infinity. */
export function parsePatience(text: string): number {
  return text === "forever" ? Infinity : parseSeconds(text) * 1000;
}

/** `4 s`, `3 min 20 s`, `2 h 5 min`: for people. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
