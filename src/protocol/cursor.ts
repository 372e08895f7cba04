/**
 * The cursor of live reads (protocol section 10.1): it changes a shared cache's key as time goes
 * by, so that readers collapse into one request but never circle in cached answers. It has nothing
 * to do with where a reader is.
 */

const EPOCH_MS = Date.UTC(2024, 9, 9);
const INTERVAL_MS = 20_000;

/** 3600 s of jitter, in intervals. */
const MAX_JITTER = 3_600_000 / INTERVAL_MS;

// A cursor above this could not be moved on exactly, nor be one of ours before the year 10^12.
const MAX_CLIENT_CURSOR = Number.MAX_SAFE_INTEGER - MAX_JITTER;

/**
 * The cursor to answer with: the current interval, or, when the client has got that far already,
 * its own cursor moved on by 1 to 180 intervals.
 *
 * A client cursor that is no integer in 0..2^53-181 is taken for none.
 * @param nowMs milliseconds since 1970
 * @param random a number in [0, 1), as `Math.random`
 */
export function nextCursor(
  clientCursor: string | null,
  nowMs: number,
  random: () => number,
): string {
  const current = intervalAt(nowMs);
  const client = parseCursor(clientCursor);
  if (client === null || client < current) return String(current);
  return String(client + 1 + Math.floor(random() * MAX_JITTER));
}

/** The last cursor made. Clients without one share it for the 20 s of its interval. */
let latest = { interval: 0, cursor: "0" };

/** `nextCursor` for a client without a cursor: the same string throughout an interval. */
export function currentCursor(nowMs: number): string {
  const interval = intervalAt(nowMs);
  if (interval !== latest.interval) latest = { interval, cursor: String(interval) };
  return latest.cursor;
}

function intervalAt(nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - EPOCH_MS) / INTERVAL_MS));
}

function parseCursor(text: string | null): number | null {
  if (text === null || !/^[0-9]{1,16}$/.test(text)) return null;
  const cursor = Number(text);
  return cursor <= MAX_CLIENT_CURSOR ? cursor : null;
}
