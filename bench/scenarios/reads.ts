/** Strictly fresh reads of a hot kilobyte, and the same with its ETag (target 8). */
import { createStream, etagOf } from "../load/prepare.ts";
import { EMPTY, OFFICIAL, PENSTOCK, type SubjectId } from "../servers/subjects.ts";
import { throughput } from "./measured.ts";
import { type Context, type Scenario, THROUGHPUT } from "./scenario.ts";

const BYTES = 1024;

function hotPath(context: Context): Promise<string> {
  const { url, id } = context.subject;
  return context.once(`hot ${id}`, async () => {
    const path = await createStream(url, { prefix: "read", bytes: BYTES });
    return `${path}?offset=-1`;
  }, "run");
}

const servers: readonly SubjectId[] = [...PENSTOCK, ...OFFICIAL, "given"];

export const reads: readonly Scenario[] = [
  {
    id: "read",
    title: "GET of a hot 1 KB range, 64 connections",
    targets: [8],
    metrics: THROUGHPUT,
    subjects: [...EMPTY, ...servers],
    notQuick: ["official-file", "deno+embedded"],
    async run(context) {
      const path = await hotPath(context);
      return await throughput(context, { method: "GET", path, connections: 64 });
    },
  },
  {
    id: "read-304",
    title: "the same with If-None-Match: 304",
    targets: [8],
    metrics: THROUGHPUT,
    subjects: servers,
    notQuick: ["official-file", "official-memory", "deno+embedded", "binary+embedded"],
    async run(context) {
      const { url, id } = context.subject;
      const path = await hotPath(context);
      const etag = await context.once(`etag ${id}`, () => etagOf(url, path));
      const headers = { "If-None-Match": etag };
      return await throughput(context, { method: "GET", path, headers, connections: 64 });
    },
  },
];
