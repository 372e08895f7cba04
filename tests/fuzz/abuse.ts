/** What the abuses share: a connection of their own, and what an answer to anything at all owes. */
import type { Answer } from "./answer.ts";
import type { Random } from "./random.ts";
import { latin1 } from "./request.ts";
import { faultOf } from "./verdict.ts";
import { Wire } from "./wire.ts";

/** The server did what it must not. */
export class Fault extends Error {
  override name = "Fault";
}

export interface AbuseContext {
  readonly port: number;
  readonly random: Random;
  /** Whether requests that come before the last one is answered are answered too: not by Bun. */
  readonly pipelines: boolean;
}

export interface Abuse {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  /** Returns how many requests it began. @throws Fault, Malformed */
  run(context: AbuseContext): Promise<number>;
}

/** Streams that abuses aim at; `sentinel.ts` looks whether they hit. */
export const UNTOUCHED = "/v1/stream/untouched";
export const SMUGGLED = "/v1/stream/smuggled";
export const PIPELINED = "/v1/stream/pipelined";
export const LARGE = "/v1/stream/large";
export const LARGE_BYTES = 1 << 20;

export async function withWire<T>(
  { port }: AbuseContext,
  use: (wire: Wire) => Promise<T>,
): Promise<T> {
  const wire = await Wire.open(port);
  try {
    return await use(wire);
  } finally {
    wire.destroy();
  }
}

/** An append that would be seen if any of it counted. */
export function appendHead(path: string, framing: string, more = ""): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n${more}${framing}\r\n`;
}

export function write(wire: Wire, text: string): Promise<void> {
  return wire.write(latin1(text));
}

/** An answer that was due. */
export async function mustAnswer(
  wire: Wire,
  options: { method?: string; ours?: boolean } = {},
): Promise<Answer> {
  const { method = "GET", ours = true } = options;
  const reply = await wire.read({ method });
  if (reply.kind !== "answer") throw new Fault(`${reply.kind} in place of an answer`);
  check(reply.answer, method, ours);
  return reply.answer;
}

/** All that comes until the server closes, which it must. */
export async function untilClosed(wire: Wire, ms = 15_000): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (true) {
    const reply = await wire.read({ ms });
    if (reply.kind === "closed") return answers;
    if (reply.kind === "silence") throw new Fault(`the connection was left open for ${ms} ms`);
    check(reply.answer, "GET", false);
    answers.push(reply.answer);
  }
}

/** Says all there is to say, shuts down the sending side, and hears the server out. */
export async function sayAndFinish(context: AbuseContext, text: string): Promise<Answer[]> {
  return await withWire(context, async (wire) => {
    await write(wire, text);
    wire.finish();
    return await untilClosed(wire);
  });
}

export function check(answer: Answer, method: string, ours: boolean): void {
  const fault = faultOf(answer, { method, ours });
  if (fault !== undefined) throw new Fault(fault);
}
