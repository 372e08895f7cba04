/** Closed-loop load by raw sockets, in its own process: see request_load.ts, whose task it is given. */
import process from "node:process";
import { percentile } from "../report/statistics.ts";
import { HttpConnection, requestBytes } from "./http_connection.ts";
import type { LoadResult, OwnOptions, RequestLoad } from "./request_load.ts";

type Task = RequestLoad & OwnOptions;

/** Makes the bytes of the next request, whichever connection asks. */
function requests(task: Task): (connection: number) => Uint8Array {
  const host = new URL(task.url).host;
  const body = new Uint8Array(task.bodyBytes ?? 0).fill(120);
  const make = (path: string, headers?: Record<string, string>) =>
    requestBytes({ ...task, host, path, body, headers: { ...task.headers, ...headers } });
  if (task.producers !== undefined) {
    const name = task.producers;
    const sequences = new Array<number>(task.connections).fill(0);
    return (connection) => {
      const sequence = sequences[connection] ?? 0;
      sequences[connection] = sequence + 1;
      return make(task.path, {
        "Producer-Id": `${name}-${connection}`,
        "Producer-Epoch": "0",
        "Producer-Seq": String(sequence),
      });
    };
  }
  if (!task.path.includes("{n}")) {
    const only = make(task.path);
    return () => only;
  }
  let made = 0;
  const { paths } = task;
  const numbered = (n: number) => make(task.path.replace("{n}", String(n)));
  if (paths === undefined) return () => numbered(made++);
  const kept = new Array<Uint8Array | undefined>(paths);
  return () => {
    const n = made++ % paths;
    return kept[n] ??= numbered(n);
  };
}

/** Exported for tests. */
export async function generate(task: Task): Promise<LoadResult> {
  const next = requests(task);
  const depth = task.pipelined ?? 1;
  const connections = await Promise.all(
    Array.from({ length: task.connections }, () => HttpConnection.open(task.url)),
  );
  const latencies: number[] = [];
  let errors = 0;
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const until = begun + task.seconds * 1000;

  const work = async (connection: HttpConnection, index: number) => {
    const sent: number[] = [];
    const send = () => {
      sent.push(performance.now());
      return connection.send(next(index));
    };
    for (let ahead = 1; ahead < depth; ahead++) await send();
    while (true) {
      const now = performance.now();
      if (now < until) await send();
      const since = sent.shift();
      if (since === undefined) return;
      const { status } = await connection.receive();
      if (status < 200 || status > 399) errors++;
      latencies.push(performance.now() - since);
    }
  };
  const outcomes = await Promise.allSettled(connections.map(work));
  errors += outcomes.filter((outcome) => outcome.status === "rejected").length;
  const seconds = (performance.now() - begun) / 1000;
  const used = process.cpuUsage(cpu);
  for (const connection of connections) connection.close();
  latencies.sort((a, b) => a - b);
  return {
    requests: latencies.length,
    seconds,
    errors,
    p50Millis: percentile(latencies, 50),
    p99Millis: percentile(latencies, 99),
    cpuMicros: used.user + used.system,
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await generate(JSON.parse(process.argv[2] ?? "{}") as Task)));
}
