/** The targets, and whether a run has met them. Ratios are of medians of one run. */
import type { SubjectId } from "../servers/subjects.ts";
import { cpuOf, type Figure, find, medianOf } from "./figures.ts";

export interface Verdict {
  readonly number: number;
  readonly what: string;
  /** As it is written, `≥ 40 %`. */
  readonly target: string;
  readonly got: number | undefined;
  readonly text: string;
  /** Undefined when the run has not measured what it takes. */
  readonly met: boolean | undefined;
}

/** Scenario, subject, metric. */
type Key = readonly [string, SubjectId, string];

/** What a figure is held against: another of the same run, or a number. */
interface Rule {
  readonly number: number;
  readonly what: string;
  readonly of: Key;
  readonly against?: Key;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: "%" | "x" | "ms" | "/s" | "KiB" | "MiB" | "% CPU";
}

const rate = (scenario: string, subject: SubjectId): Key => [scenario, subject, "rate"];
const DENO: SubjectId = "deno+postgres";
const BINARY: SubjectId = "binary+postgres";

/** A rule for Penstock on Deno, and the same for the binary; for the empty handler, on its runtime. */
function both(binaryRuntime: "deno" | "bun") {
  return (make: (subject: SubjectId, empty: SubjectId) => Rule) =>
    [DENO, BINARY].map((subject) => {
      const [runtime, name] = subject === DENO
        ? ["deno", "Deno"] as const
        : [binaryRuntime, "binary"];
      const rule = make(subject, `empty-${runtime}` as const);
      return { ...rule, what: `${rule.what} (${name})` };
    });
}

/** How rules are made, for the runtime that the binary holds. */
function makers(binaryRuntime: "deno" | "bun") {
  const each = both(binaryRuntime);
  const share = (number: number, what: string, of: string, limits: [string, number]) =>
    each((subject, empty) => ({
      ...{ number, what: `${what}: share of the empty handler`, of: rate(of, subject) },
      ...{ against: rate(limits[0], empty), atLeast: limits[1], unit: "%" },
    }));
  return { each, share };
}

type Makers = ReturnType<typeof makers>;

function ratio(
  [number, what]: readonly [number, string],
  of: Key,
  against: Key,
  limit: Pick<Rule, "atLeast" | "atMost">,
): Rule {
  return { number, what, of, against, ...limit, unit: "x" };
}

function plain(
  [number, what]: readonly [number, string],
  of: Key,
  limit: Pick<Rule, "atLeast" | "atMost" | "unit">,
): Rule {
  return { number, what, of, ...limit };
}

/** Appends (targets 1 to 5). */
function appendRules({ each, share }: Makers): readonly Rule[] {
  return [
    ...share(1, "append, 64", "append-64", ["append-64", 0.4]),
    ...each((subject) =>
      ratio(
        [1, "append, 64, over the official server with files"],
        rate("append-64", subject),
        rate("append-64", "official-file"),
        { atLeast: 35 },
      )
    ),
    ...each((subject) =>
      ratio(
        [1, "append, 64, over the official server in memory"],
        rate("append-64", subject),
        rate("append-64", "official-memory"),
        { atLeast: 2 },
      )
    ),
    ...share(2, "append, 256", "append-256", ["append-256", 0.6]),
    ...share(3, "append, 1,000 streams", "append-1000-streams", ["append-256", 0.4]),
    ratio(
      [4, "append, 1,000 streams over 100,000"],
      rate("append-1000-streams", DENO),
      rate("append-100000-streams", DENO),
      { atMost: 1.3 },
    ),
    ratio(
      [4, "append, 64, over a stream of 1 million segments"],
      rate("append-64", DENO),
      rate("append-1000000-segments", DENO),
      { atMost: 1.3 },
    ),
    ...each((subject) =>
      ratio(
        [5, "producers over appends without"],
        rate("producers", subject),
        rate("producers-none", subject),
        { atLeast: 0.8 },
      )
    ),
  ];
}

/** One append at a time, and embedded (6 and 7). */
function latencyRules({ each }: Makers): readonly Rule[] {
  return [
    ...(["p50", "p99"] as const).flatMap((metric) =>
      each((subject) =>
        ratio(
          [6, `append ${metric} over a single-row insert's`],
          ["latency", subject, metric],
          ["latency", "postgres", metric],
          { atMost: 2 },
        )
      )
    ),
    ...([["append-64", 15], ["append-256", 30]] as const).flatMap(([scenario, atLeast]) =>
      (["deno+embedded", "binary+embedded"] as const).map((subject) =>
        ratio(
          [7, `${scenario}, ${subject}, over the official server with files`],
          rate(scenario, subject),
          rate(scenario, "official-file"),
          { atLeast },
        )
      )
    ),
  ];
}

/** Reads, catch-up and large appends (8 to 10). */
function readRules({ each, share }: Makers): readonly Rule[] {
  return [
    ...share(8, "GET of 1 KB", "read", ["read", 0.4]),
    ...each((subject) =>
      ratio(
        [8, "GET of 1 KB over the official server in memory"],
        rate("read", subject),
        rate("read", "official-memory"),
        { atLeast: 1.5 },
      )
    ),
    ...each((subject) =>
      ratio([8, "304 over 200"], rate("read-304", subject), rate("read", subject), { atLeast: 1 })
    ),
    ...each((subject) => ({
      ...{ number: 9, what: "catch-up over COPY", of: rate("catch-up", subject) },
      ...{ against: rate("catch-up", "postgres"), atLeast: 0.5, unit: "%" },
    })),
    ...(["catch-up", "catch-up-16"] as const).flatMap((scenario) =>
      each((subject) =>
        plain([9, `${scenario}: growth of resident memory`], [scenario, subject, "growth"], {
          atMost: 64,
          unit: "MiB",
        })
      )
    ),
    ...each((subject) => ({
      ...{ number: 10, what: "1 MB appends over INSERT", of: rate("megabytes", subject) },
      ...{ against: rate("megabytes", "postgres"), atLeast: 0.5, unit: "%" },
    })),
  ];
}

/** Followers (11 to 13). */
function followerRules({ each }: Makers): readonly Rule[] {
  return [
    ...([["p50", 5], ["p99", 25]] as const).flatMap(([metric, atMost]) =>
      each((subject) =>
        plain([11, `fan-out ${metric}`], ["fan-out", subject, metric], { atMost, unit: "ms" })
      )
    ),
    ...(["p50", "p99"] as const).flatMap((metric) =>
      each((subject) =>
        ratio(
          [11, `fan-out ${metric}, the official server's over ours`],
          ["fan-out", "official-memory", metric],
          ["fan-out", subject, metric],
          { atLeast: 4 },
        )
      )
    ),
    ...each((subject) =>
      plain([12, "an idle follower's memory"], ["idle", subject, "each"], {
        atMost: 16,
        unit: "KiB",
      })
    ),
    ...each((subject) =>
      // A tick of the kernel's clock in ten seconds is all that can be told from nothing.
      plain([12, "idle followers' CPU"], ["idle", subject, "cpu"], { atMost: 1, unit: "% CPU" })
    ),
    ...([["long-poll", 1], ["long-poll-other", 10]] as const).flatMap(([scenario, atMost]) =>
      each((subject) =>
        plain([13, `${scenario}: delivery over the append`], [scenario, subject, "over"], {
          atMost,
          unit: "ms",
        })
      )
    ),
  ];
}

/** Creating, starting, and several workers (14 to 16). */
function otherRules({ each }: Makers): readonly Rule[] {
  return [
    ...each((subject) =>
      plain([14, "create"], rate("create", subject), { atLeast: 5000, unit: "/s" })
    ),
    ratio(
      [14, "create among 1,000 streams over among 100,000"],
      rate("create-1000", DENO),
      rate("create-100000", DENO),
      { atMost: 1.3 },
    ),
    plain([15, "start, binary on PostgreSQL"], ["start", BINARY, "ready"], {
      atMost: 250,
      unit: "ms",
    }),
    plain([15, "start, binary, embedded"], ["start", "binary+embedded", "ready"], {
      atMost: 1000,
      unit: "ms",
    }),
    ...each((subject) =>
      ratio(
        [16, "two workers over one, append, 256"],
        rate("append-256", `${subject}, 2 workers` as SubjectId),
        rate("append-256", subject),
        { atLeast: 1 },
      )
    ),
  ];
}

function rules(binaryRuntime: "deno" | "bun"): readonly Rule[] {
  const make = makers(binaryRuntime);
  return [
    ...appendRules(make),
    ...latencyRules(make),
    ...readRules(make),
    ...followerRules(make),
    ...otherRules(make),
  ];
}

/** One verdict a rule, in the order of the targets. */
export function verdicts(
  figures: readonly Figure[],
  binaryRuntime: "deno" | "bun" = "bun",
): readonly Verdict[] {
  return rules(binaryRuntime).map((rule) => judge(rule, figures));
}

function judge(rule: Rule, figures: readonly Figure[]): Verdict {
  const of = medianOf(figures, rule.of);
  const against = rule.against === undefined ? 1 : medianOf(figures, rule.against);
  const got = of === undefined || against === undefined ? undefined : of / against;
  const text = got === undefined ? "not measured" : withUnit(got, rule.unit) + byCpu(rule, figures);
  const limit = rule.atLeast ?? rule.atMost ?? NaN;
  const sign = rule.atLeast === undefined ? "≤" : "≥";
  return {
    number: rule.number,
    what: rule.what,
    target: `${sign} ${withUnit(limit, rule.unit)}`,
    ...{ got, text },
    met: got === undefined ? undefined : rule.atLeast === undefined ? got <= limit : got >= limit,
  };
}

/**
 * For rates of two servers, what the ratio would be if only the servers' own CPU counted. Neither
 * what a target asks nor what a client sees, but what holds still when the machine is busy.
 */
function byCpu({ of, against, unit }: Rule, figures: readonly Figure[]): string {
  if (against === undefined || of[2] !== "rate") return "";
  const [own, other] = [of, against].map(([scenario, subject]) => {
    const figure = find(figures, scenario, subject);
    return figure === undefined ? undefined : cpuOf(figure, "serverMicros");
  });
  if (own === undefined || other === undefined || own === 0) return "";
  return ` (CPU ${withUnit(other / own, unit)})`;
}

function withUnit(value: number, unit: Rule["unit"]): string {
  if (unit === "%") return `${(value * 100).toFixed(0)} %`;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = Number(value.toFixed(digits)).toLocaleString("en");
  return unit === "x" ? `${text} x` : `${text} ${unit}`;
}
