/** How long each job took in earlier runs on this machine, to tell how long this one will take. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";

/** Milliseconds, where nothing is known. */
const UNKNOWN_MS = 2000;

/** Seconds, of what takes longest, for a machine where nothing has run yet. */
const FIRST_GUESS: Readonly<Record<string, number>> = {
  "torture_test.ts": 70,
  "conformance deno+postgres": 40,
  "conformance binary+embedded": 40,
  "pooler_test.ts": 36,
  "half_open_connections_test.ts": 33,
  "types": 30,
  "compile": 25,
  "fuzz_test.ts": 25,
  "failover_test.ts": 24,
  "expiry_test.ts": 23,
  "outage_test.ts": 22,
  "webhook_test.ts": 21,
  "slow_readers_test.ts": 20,
  "nodes_test.ts": 20,
  "clocks_test.ts": 16,
  "operations_test.ts": 16,
  "scan_test.ts": 15,
  "fairness_test.ts": 12,
  "body_timeout_test.ts": 11,
  "pglite_test.ts": 10,
};

export class Durations {
  readonly #file: string;
  readonly #known: Map<string, number>;

  constructor(file: string = cacheFile()) {
    this.#file = file;
    this.#known = new Map(Object.entries(readCache(file)));
  }

  /** Milliseconds. */
  estimate(name: string): number {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const guess = FIRST_GUESS[name] ?? FIRST_GUESS[name.split("/").at(-1) ?? ""];
    return guess === undefined ? UNKNOWN_MS : guess * 1000;
  }

  /** Remembers a duration, half of which is what was known: one busy day is not for ever. */
  record(name: string, ms: number): void {
    const known = this.#known.get(name);
    this.#known.set(name, Math.round(known === undefined ? ms : (known + ms) / 2));
  }

  /** A file that cannot be written costs the next run its estimate, and nothing else. */
  save(): void {
    try {
      mkdirSync(dirname(this.#file), { recursive: true });
      const sorted = [...this.#known].sort(([a], [b]) => a < b ? -1 : 1);
      writeFileSync(this.#file, JSON.stringify(Object.fromEntries(sorted), null, 1) + "\n");
    } catch {
      // As said above.
    }
  }
}

function readCache(file: string): Record<string, number> {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(file, "utf8")) as object);
    return Object.fromEntries(entries.filter(([, ms]) => Number.isFinite(ms)));
  } catch {
    return {}; // No run yet, or none that could write.
  }
}

function cacheFile(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const caches = {
    darwin: join(homedir(), "Library/Caches"),
    win32: LOCALAPPDATA ?? join(homedir(), "AppData/Local"),
  } as Partial<Record<string, string>>;
  const folder = XDG_CACHE_HOME || (caches[process.platform] ?? join(homedir(), ".cache"));
  return join(folder, "penstock", "test_durations.json");
}
