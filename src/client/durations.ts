/** Times as they are typed: `90`, `30s`, `5m`, `1h`, `7d`. */
import { parseSeconds } from "../lib/quantities.ts";
import { usageError } from "./exit_codes.ts";

/** Whole seconds; a bare number is seconds. */
export function secondsOf(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds !== null) return seconds;
  throw usageError(`"${text}" is not a time such as 90, 30s, 5m, 1h or 7d`);
}

/** Milliseconds to try again for; `forever` is Infinity. */
export function parsePatience(text: string): number {
  return text === "forever" ? Infinity : secondsOf(text) * 1000;
}

/** `4 s`, `3 min 20 s`, `2 h 5 min`: for people. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
