import type { Command, Invocation } from "../command.ts";
import { EXIT, usageError } from "../exit_codes.ts";
import { wordsOf } from "../arguments.ts";
import { jsonOf } from "../json_answer.ts";
import { listed } from "../listing.ts";

interface ListedSubscription {
  readonly id: string;
  readonly type: string;
  readonly pattern: string | null;
  readonly streams: number;
  readonly state: string;
  readonly failures: number;
}

export const sub: Command = {
  name: "sub",
  summary: "List, show, create or delete subscriptions",
  operands: ["action", "id?"],
  operandSuggestions: ["list", "show", "create", "delete"],
  flags: [
    {
      name: "pattern",
      value: "glob",
      help: "The streams it is for, such as 'chat/**'; for create",
    },
    { name: "streams", value: "paths", help: "Further streams, with spaces between; for create" },
    { name: "webhook", value: "url", help: "Where its wakes are sent; for create" },
    {
      name: "wake-stream",
      value: "path",
      help: "The JSON stream that its wakes are appended to, instead of a webhook; for create",
    },
  ],
  details: "show and create print the subscription as the server has it, in JSON.",
  examples: [
    "penstock sub list",
    "penstock sub create mail --pattern 'mail/**' --webhook https://example.com/wake",
    "penstock sub show mail",
    "penstock sub delete mail",
  ],
  retryMs: 30_000,
  async run(invocation) {
    const [action, id] = invocation.operands;
    if (action === "list") await list(invocation);
    else if (action === "show") await show(invocation, nameOf(action, id));
    else if (action === "create") await create(invocation, nameOf(action, id));
    else if (action === "delete") await remove(invocation, nameOf(action, id));
    else throw usageError(`"${action}" is none of list, show, create, delete`);
    return EXIT.ok;
  },
};

function nameOf(action: string, id: string | undefined): string {
  if (id !== undefined) return id;
  throw usageError(`penstock sub ${action} needs the subscription's id`);
}

async function list({ connection, console, streamUrl, has }: Invocation): Promise<void> {
  const url = streamUrl("__ds/subscriptions");
  const all = listed<ListedSubscription>(connection, url, "subscriptions");
  for await (const subscription of all) {
    if (has("json")) {
      await console.write(`${JSON.stringify(subscription)}\n`);
      continue;
    }
    const { id, type, pattern, streams, state, failures } = subscription;
    const failing = failures > 0 ? `  ${failures} failures` : "";
    const about = `${type}  ${pattern ?? "-"}  ${streams} streams  ${state}${failing}`;
    await console.write(`${id}  ${console.paint(about, "dim")}\n`);
  }
}

async function show({ connection, console, streamUrl }: Invocation, id: string): Promise<void> {
  const url = streamUrl(`__ds/subscriptions/${id}`);
  const shown = await jsonOf<unknown>(await connection.send({ method: "GET", url }));
  await console.write(`${JSON.stringify(shown)}\n`);
}

async function create(invocation: Invocation, id: string): Promise<void> {
  const { connection, console, streamUrl, text } = invocation;
  const [webhook, wakeStream] = [text("webhook"), text("wake-stream")];
  if ((webhook === undefined) === (wakeStream === undefined)) {
    throw usageError("penstock sub create needs --webhook or --wake-stream");
  }
  const streams = wordsOf(text("streams") ?? "");
  const pattern = text("pattern");
  const answer = await connection.send({
    method: "PUT",
    url: streamUrl(`__ds/subscriptions/${id}`),
    headers: { "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify({
      ...webhook === undefined
        ? { type: "pull-wake", wake_stream: wakeStream }
        : { type: "webhook", webhook: { url: webhook } },
      ...pattern === undefined ? {} : { pattern },
      ...streams.length === 0 ? {} : { streams },
    })),
  });
  await console.write(`${JSON.stringify(await jsonOf<unknown>(answer))}\n`);
}

async function remove(
  { connection, console, streamUrl, has }: Invocation,
  id: string,
): Promise<void> {
  const url = streamUrl(`__ds/subscriptions/${id}`);
  await (await connection.send({ method: "DELETE", url })).discard();
  await console.write(
    has("json") ? `${JSON.stringify({ id, deleted: true })}\n` : `${id} deleted\n`,
  );
}
