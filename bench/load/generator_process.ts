/** Closed-loop load by raw sockets, in its own process: see load_task.ts, whose task it is given. */
import process from "node:process";
import { percentile } from "../report/statistics.ts";
import { HttpConnection, requestBytes } from "./http_connection.ts";
import type { LoadResult, OwnOptions, RequestLoad } from "./load_task.ts";

/** 409: a producer's append came before the one it follows. */
const OVERTOOK = 409;

type Task = RequestLoad & OwnOptions;

/** Makes the bytes of the next request, whichever connection asks. */
function requests(task: Task): (connection: number) => Uint8Array {
  const host = new URL(task.url).host;
  const body = new Uint8Array(task.bodyBytes ?? 0).fill(120);
  const make = (path: string, headers?: Record<string, string>) =>
    requestBytes({ ...task, host, path, body, headers: { ...task.headers, ...headers } });
  if (task.producers !== undefined) {
    const { name, connectionsEach } = task.producers;
    const sequences: number[] = [];
    return (connection) => {
      const producer = Math.floor(connection / connectionsEach);
      const sequence = sequences[producer] ?? 0;
      sequences[producer] = sequence + 1;
      return make(task.path, {
        "Producer-Id": `${name}-${producer}`,
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
  const connections = await Promise.all(
    Array.from({ length: task.connections }, () => HttpConnection.open(task.url)),
  );
  const latencies: number[] = [];
  let errors = 0;
  let retries = 0;
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const until = begun + task.seconds * 1000;
  let left = task.count ?? Infinity;

  const work = async (connection: HttpConnection, index: number) => {
    while (performance.now() < until && left-- > 0) {
      const bytes = next(index);
      const since = performance.now();
      await connection.send(bytes);
      let { status } = await connection.receive();
      while (status === OVERTOOK && task.producers !== undefined) {
        retries++;
        await connection.send(bytes);
        ({ status } = await connection.receive());
      }
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
    ...task.producers === undefined ? {} : { retries },
    p50Millis: percentile(latencies, 50),
    p99Millis: percentile(latencies, 99),
    cpuMicros: used.user + used.system,
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(await generate(JSON.parse(process.argv[2] ?? "{}") as Task)));
}
