/** What `deno task bench` can be told. */
import { parseArgs } from "node:util";
import type { Effort } from "./scenarios/scenario.ts";

export interface Options {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly effort: Effort;
  /** Only this server is measured, and nothing is started. */
  readonly url?: string;
  /** Where the JSON goes instead of bench/results. */
  readonly json?: string;
}

export const HELP = `deno task bench [options]

  --only a,b    scenarios whose names begin so: append, read, catch-up, fan-out, ... (see --list);
                peers, horizon and small-appends run only when they are named here
  --quick       one short round of everything, about two minutes
  --large       also 100,000 streams, a million segments, and a catch-up of 1 GB
  --rounds N    rounds, interleaved over all servers; 5 unless --quick
  --seconds N   of each timed run; 3 unless --quick
  --minutes N   that horizon holds its snapshot; 10, or 40 seconds with --quick
  --url URL     measure the server that runs there, and start none
  --json FILE   write the JSON there; the HTML page goes beside it
  --list        the scenarios
`;

/** Throws with a line for the user when there is something wrong with them. */
export function parseOptions(args: readonly string[]): Options | "help" | "list" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true },
      quick: { type: "boolean" },
      large: { type: "boolean" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      minutes: { type: "string" },
      url: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean" },
      list: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  if (values.list === true) return "list";
  const quick = values.quick === true;
  const { url, json } = values;
  return {
    only: (values.only ?? []).flatMap((words) => words.split(",")).filter((word) => word !== ""),
    rounds: positive("rounds", values.rounds ?? (quick ? "1" : "5")),
    effort: {
      ...{ quick, large: values.large === true },
      seconds: positive("seconds", values.seconds ?? (quick ? "1" : "3")),
      heldSeconds: values.minutes === undefined && quick
        ? 40
        : 60 * positive("minutes", values.minutes ?? "10"),
    },
    ...url === undefined ? {} : { url: new URL(url).origin },
    ...json === undefined ? {} : { json },
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${name} is a whole number from 1, not ${text}`);
  }
  return value;
}
