/** The variables that OpenTelemetry gives names to, as far as Penstock heeds them. */
import { readFileSync } from "node:fs";

export type Environment = Readonly<Record<string, string | undefined>>;

export const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

export interface TracingSettings {
  /** Where batches of spans are posted to. */
  readonly url: string;
  /** As `name=value,name=value`, in place of the variable's. Secret: never printed. */
  readonly headers: string | null;
  readonly sampler: typeof SAMPLERS[number];
  /** The part of all traces that a sampler by ratio takes, 0 to 1. */
  readonly ratio: number;
  /** Spans that may wait to be sent, those in flight included; more are dropped. */
  readonly maxQueued: number;
  /** Milliseconds that spans wait for others to be sent with. */
  readonly delayMs: number;
  /** Variables that cannot be used, and why. The standard has them ignored with a warning. */
  readonly ignored: readonly { readonly variable: string; readonly reason: string }[];
}

const MAX_QUEUED = 2048;
const DELAY_MS = 5000;

/**
 * Null: nothing is traced, for no endpoint is given.
 * Adds what cannot be done without to `problems`.
 */
export function parseTracing(environment: Environment, problems: string[]): TracingSettings | null {
  const {
    OTEL_EXPORTER_OTLP_ENDPOINT: base = "",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own = "",
  } = environment;
  const exporter = environment.OTEL_TRACES_EXPORTER || "otlp";
  if (environment.OTEL_SDK_DISABLED?.toLowerCase() === "true" || exporter === "none") return null;
  if (base === "" && own === "") return null;
  const url = own === "" ? parseUrl(base, "/v1/traces") : parseUrl(own);
  if (url === null) {
    const variable = own === ""
      ? "OTEL_EXPORTER_OTLP_ENDPOINT"
      : "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    problems.push(`${variable}: it is no http or https URL`);
    return null;
  }
  const ignored: { variable: string; reason: string }[] = [];
  const protocol = environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ||
    environment.OTEL_EXPORTER_OTLP_PROTOCOL || "http/json";
  if (protocol !== "http/json") {
    const reason = "spans go out as http/json, which collectors take on the same port";
    ignored.push({ variable: "OTEL_EXPORTER_OTLP_PROTOCOL", reason });
  }
  const read = (variable: string, fallback: number, [least, most]: readonly [number, number]) => {
    const text = environment[variable];
    if (!text) return fallback;
    const value = Number(text);
    if (value >= least && value <= most) return value;
    ignored.push({ variable, reason: `it is no number from ${least} to ${most}` });
    return fallback;
  };
  const ratio = read("OTEL_TRACES_SAMPLER_ARG", 1, [0, 1]);
  const maxQueued = read("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUED, [1, 1_000_000]);
  const delayMs = read("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS, [1, 600_000]);
  const asked = environment.OTEL_TRACES_SAMPLER || "parentbased_always_on";
  const known = SAMPLERS.find((name) => name === asked);
  if (known === undefined) {
    ignored.push({
      variable: "OTEL_TRACES_SAMPLER",
      reason: `it is none of ${SAMPLERS.join(", ")}`,
    });
  }
  return {
    url,
    headers: readHeaders(environment.OTEL_EXPORTER_OTLP_HEADERS_FILE, problems),
    sampler: known ?? "parentbased_always_on",
    ratio,
    maxQueued,
    delayMs,
    ignored,
  };
}

function parseUrl(text: string, path = ""): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  if (path !== "") url.pathname = url.pathname.replace(/\/*$/, path);
  return url.href;
}

function readHeaders(path: string | undefined, problems: string[]): string | null {
  if (!path) return null;
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    const { code } = error as { code?: string };
    problems.push(`OTEL_EXPORTER_OTLP_HEADERS_FILE: cannot read ${path}: ${code ?? "no file"}`);
    return null;
  }
}
