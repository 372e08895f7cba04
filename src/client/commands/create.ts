import { type Command, CONTENT_TYPE_FLAG, type Flag, type Invocation } from "../command.ts";
import type { Answer } from "../connection.ts";
import { secondsOf } from "../durations.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";

/** When a new stream expires. Forks take the same flags. */
export const LIFETIME_FLAGS: readonly Flag[] = [
  {
    name: "ttl",
    value: "time",
    help: "Remove the stream when nobody has used it for so long, such as 90, 30m, 1h or 7d",
  },
  { name: "expires-at", value: "time", help: "Remove it then, such as 2030-01-31T12:00:00Z" },
];

export const create: Command = {
  name: "create",
  summary: "Create a stream",
  operands: ["path"],
  flags: [
    { ...CONTENT_TYPE_FLAG, help: "Media type [application/octet-stream]" },
    ...LIFETIME_FLAGS,
    {
      name: "retention",
      value: "limits",
      help: "What it keeps, such as 'age=604800, bytes=10737418240' [as the server's rules say]",
    },
    { name: "data", value: "text", help: "What the stream begins with" },
    { name: "closed", help: "Close it at once: --data is all it will ever hold" },
  ],
  details: "A stream that is there already, and is the same, is no error.",
  examples: [
    "penstock create chat/42 --content-type text/plain --ttl 1h",
    "penstock create events --content-type application/json",
  ],
  retryMs: 30_000,
  async run(invocation) {
    const { connection } = invocation;
    const contentType = invocation.text("content-type");
    const data = invocation.text("data");
    const retention = invocation.text("retention");
    const answer = await connection.send({
      method: "PUT",
      url: invocation.streamUrl(invocation.operands[0]!),
      headers: {
        ...lifetimeHeaders(invocation),
        ...(retention === undefined ? {} : { "stream-retention": retention }),
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...(invocation.has("closed") ? { "stream-closed": "true" } : {}),
      },
      body: new TextEncoder().encode(data ?? ""),
    });
    return await printCreated(invocation, answer);
  },
};

export function lifetimeHeaders(invocation: Invocation): Record<string, string> {
  const ttl = invocation.text("ttl");
  const expiresAt = invocation.text("expires-at");
  return {
    ...(ttl === undefined ? {} : { "stream-ttl": String(secondsOf(ttl)) }),
    ...(expiresAt === undefined ? {} : { "stream-expires-at": expiresAt }),
  };
}

/** Says whether the stream is new. */
export async function printCreated(invocation: Invocation, answer: Answer): Promise<ExitCode> {
  await answer.discard();
  const { console } = invocation;
  const path = invocation.operands.at(-1)!;
  const created = answer.status === 201;
  const nextOffset = answer.headers.get("stream-next-offset");
  if (invocation.has("json")) {
    const url = invocation.streamUrl(path).href;
    await console.write(`${JSON.stringify({ path, url, created, nextOffset })}\n`);
  } else {
    await console.write(
      `${path} ${console.paint(created ? "created" : "exists already", "green")}\n`,
    );
  }
  return EXIT.ok;
}
