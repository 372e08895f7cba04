/** The PostgreSQL servers of a run, kept by a process of their own: see postgres_host.ts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Command } from "./postgres_host.ts";

const HOST = join(import.meta.dirname ?? ".", "postgres_host.ts");
const LOCK = join(import.meta.dirname ?? ".", "../tools.lock");

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

export type Options = Omit<Command, "id" | "do" | "server">;

export interface PostgresServers {
  /** @throws Error with what PostgreSQL said. */
  command<Result = null>(what: Command["do"], server: string, options?: Options): Promise<Result>;
  /** Ends all servers and removes their data. */
  stop(): Promise<void>;
}

export async function startPostgresServers(): Promise<PostgresServers> {
  const child = spawn(
    process.execPath,
    ["run", "-A", "--quiet", "--node-modules-dir=none", `--lock=${LOCK}`, HOST],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const waiting = new Map<number, (reply: Reply) => void>();
  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, () => resolve());
    child.once("exit", () => {
      reject(new Error("the PostgreSQL servers did not start"));
      for (const [id, answer] of waiting) answer({ id, error: "the PostgreSQL servers ended" });
    });
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const reply = JSON.parse(line) as Reply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  await ready;
  let last = 0;
  return {
    command<Result>(what: Command["do"], server: string, options: Options = {}): Promise<Result> {
      const command: Command = { ...options, id: ++last, do: what, server };
      return new Promise((resolve, reject) => {
        waiting.set(command.id, ({ error, result }) => {
          if (error === undefined) resolve(result as Result);
          else reject(new Error(`PostgreSQL ${server}, ${what}: ${error}`));
        });
        child.stdin.write(JSON.stringify(command) + "\n");
      });
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
