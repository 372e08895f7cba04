/** What the tests of overload share: clients that are slow on purpose, and what a refusal owes. */
import assert from "node:assert/strict";
import { appendHead, write } from "../fuzz/abuse.ts";
import type { Answer } from "../fuzz/answer.ts";
import { memoryOf } from "../fuzz/resources.ts";
import { Wire } from "../fuzz/wire.ts";
import type { RunningServer } from "../support/server.ts";
import { assertErrorBody } from "./support.ts";

export const portOf = (server: RunningServer) => Number(new URL(server.url).port);

export const pathOf = (url: string) => new URL(url).pathname;

/** Resident memory of a server, MiB. */
export const memory = (server: RunningServer) => memoryOf(server.process.pid!);

/** An upload of which a part is sent, and then nothing more. */
export async function stalledUpload(
  server: RunningServer,
  url: string,
  framing: string,
  sent: Uint8Array,
): Promise<Wire> {
  const wire = await Wire.open(portOf(server));
  await write(wire, appendHead(pathOf(url), framing));
  await wire.write(sent);
  return wire;
}

/** A GET of which the answer is not taken. */
export async function stalledReader(server: RunningServer, target: string): Promise<Wire> {
  const wire = await Wire.open(portOf(server));
  wire.pause();
  await write(wire, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return wire;
}

/** The next answer on a connection. */
export async function answerOn(wire: Wire, ms = 10_000): Promise<Answer> {
  const reply = await wire.read({ ms });
  assert.equal(reply.kind, "answer");
  return (reply as { answer: Answer }).answer;
}

export function assertErrorAnswer(answer: Answer, status: number, code: string): void {
  const text = new TextDecoder().decode(answer.body);
  assert.equal(answer.status, status, text);
  assert.equal(assertErrorBody(answer.headers, text), code);
  if (status === 503) assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
}

/** 503, so that a standard client tries again by itself. */
export async function expectOverloaded(response: Response): Promise<void> {
  const text = await response.text();
  assert.equal(response.status, 503, text);
  assert.equal(assertErrorBody(response.headers, text), "OVERLOADED");
  assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
}

export function closeAll(wires: readonly Wire[]): void {
  for (const wire of wires) wire.destroy();
}
