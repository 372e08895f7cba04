/**
 * This program run once more by itself, as a worker or as its own successor. The new process says by
 * the IPC channel that it serves, which Deno and Bun have in common.
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { selfCommand } from "../platform.ts";

/** In the environment of a process that takes over from another one, which still serves. */
export const SUCCESSOR_VARIABLE = "PENSTOCK_SUCCESSOR";

export interface SelfOptions {
  /** Added to the environment of this process, or taken from it where the value is undefined. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `pipe`: its standard input ends when this process has ended. */
  readonly stdin: "ignore" | "pipe";
}

/**
 * @param args of the command line, without the program's own name
 * @param onServing called once, when the new process serves
 */
export function spawnSelf(
  args: readonly string[],
  { env, stdin }: SelfOptions,
  onServing: () => void,
): ChildProcess {
  const { command, args: before } = selfCommand();
  const child = spawn(command, [...before, ...args], {
    stdio: [stdin, "inherit", "inherit", "ipc"],
    env: { ...process.env, ...env },
  });
  child.once("message", onServing);
  child.stdin?.on("error", () => {});
  return child;
}

/** Whether another process started this one to take over from it. */
export function isSuccessor(): boolean {
  return Boolean(process.env[SUCCESSOR_VARIABLE]);
}

/** Tells the process that started this one, if one did, that this one serves. */
export function announceServing(): void {
  if (process.send === undefined || !process.connected) return;
  process.send({ serving: process.pid }, () => process.disconnect?.());
}
