/** Amounts as people type them, with a unit behind the number: `12h`, `16MiB`. */

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

const BYTES: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);

/** `90`, `30s`, `5m`, `12h`, `7d` in seconds; null: it is no such text. */
export function parseSeconds(text: string): number | null {
  return parse(text, SECONDS);
}

/** `1048576`, `512KiB`, `16MiB`, `2GiB`, `1TiB` in bytes; null: it is no such text. */
export function parseBytes(text: string): number | null {
  return parse(text, BYTES);
}

function parse(text: string, units: ReadonlyMap<string, number>): number | null {
  const [, number, name = ""] = /^(\d{1,15})([A-Za-z]*)$/.exec(text) ?? [];
  const unit = units.get(name);
  return number === undefined || unit === undefined ? null : Number(number) * unit;
}
