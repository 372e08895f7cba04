/** A real Prometheus that scrapes servers of the test, and promtool. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Configuration,
  configure,
  findProgram,
  poll,
  type RunningProgram,
  startProgram,
} from "./program.ts";

export interface PrometheusOptions {
  /** Where to scrape `/metrics`, every 200 ms: ports of 127.0.0.1. */
  readonly targets?: readonly number[];
  /** A file of recording or alerting rules, evaluated every 200 ms. */
  readonly rules?: string;
  /** The whole configuration instead, with `{{port}}` and `{{folder}}`. */
  readonly config?: Configuration;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface RunningPrometheus extends RunningProgram {
  /** The samples of an instant query, none when nothing matches. @throws Error if PromQL is wrong */
  query(expression: string): Promise<Sample[]>;
  /** Asks until there are samples. */
  samples(expression: string, ms?: number): Promise<Sample[]>;
  /** Another path of its HTTP API, such as `/api/v1/rules`: what stands in `data`. */
  api<T>(path: string): Promise<T>;
}

export async function startPrometheus(options: PrometheusOptions): Promise<RunningPrometheus> {
  const { targets = [], rules, config } = options;
  const ours = `
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
  evaluation_interval: 200ms
rule_files: [${rules === undefined ? "" : "rules.yml"}]
scrape_configs:
  - job_name: penstock
    static_configs:
      - targets: ${JSON.stringify(targets.map((port) => `127.0.0.1:${port}`))}
`;
  const program = await startProgram("prometheus", {
    files: ({ port, folder }) => ({
      "prometheus.yml": configure(config ?? ours, { port, folder }),
      ...rules === undefined ? {} : { "rules.yml": rules },
    }),
    args: ({ port, folder }) => [
      "--config.file=prometheus.yml",
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    readyPath: "/-/ready",
  });
  const api = async <T>(path: string): Promise<T> => {
    const response = await fetch(program.url + path, { signal: AbortSignal.timeout(10_000) });
    const answer = await response.json() as { status: string; error?: string; data: T };
    if (answer.status !== "success") throw new Error(`Prometheus: ${answer.error}`);
    return answer.data;
  };
  const query = async (expression: string): Promise<Sample[]> => {
    const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { result } = await api<{ result: RawSample[] }>(path);
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  };
  const samples = async (expression: string, ms = 10_000): Promise<Sample[]> => {
    let found: Sample[] = [];
    const failure = () => `no samples of ${expression}; Prometheus says: ${program.output()}`;
    await poll(ms, failure, async () => (found = await query(expression)).length > 0);
    return found;
  };
  return Object.assign(program, { api, query, samples });
}

interface RawSample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as text. */
  readonly value: readonly [number, string];
}

export interface PromtoolResult {
  /** 0 when it found nothing to say against the files. */
  readonly code: number;
  readonly output: string;
}

export interface PromtoolInput {
  /** Files of its working directory: names to texts. */
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/**
 * Runs promtool: `promtool(["check", "rules", "r.yml"], { files: { "r.yml": text } })`, or
 * `promtool(["check", "metrics"], { stdin: text })`.
 */
export function promtool(args: readonly string[], input: PromtoolInput = {}): PromtoolResult {
  const path = findProgram("promtool");
  if (path === undefined) throw new Error("promtool is not installed");
  const folder = mkdtempSync(join(tmpdir(), "penstock-promtool-"));
  try {
    for (const [name, text] of Object.entries(input.files ?? {})) {
      writeFileSync(join(folder, name), text);
    }
    const { status, stdout, stderr, error } = spawnSync(path, [...args], {
      cwd: folder,
      input: input.stdin ?? "",
      encoding: "utf8",
      timeout: 60_000,
    });
    if (error !== undefined) throw error;
    return { code: status ?? -1, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
