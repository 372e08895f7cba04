import { secondsOf } from "../durations.ts";
import type { Command, Invocation } from "../command.ts";
import { ClientError, EXIT, usageError } from "../exit_codes.ts";
import { wordsOf } from "../arguments.ts";
import { jsonOf } from "../json_answer.ts";

/** A token as the server shows it; `token` only once. */
interface ShownToken {
  readonly name: string;
  readonly namespace: string | null;
  readonly rules: readonly string[];
  readonly expires_at: string | null;
  readonly token?: string;
}

export const token: Command = {
  name: "token",
  summary: "Create, list or revoke access tokens",
  operands: ["action", "name?"],
  operandSuggestions: ["create", "list", "revoke"],
  flags: [
    { name: "name", value: "name", help: "What the token is called; for create" },
    {
      name: "rules",
      value: "rules",
      help: "What it may do, with spaces between the rules, such as 'read,append:chat/**'",
    },
    {
      name: "namespace",
      value: "name",
      help: "What its names are in, such as acme: its stream x is then acme/x [none]",
    },
    { name: "expires", value: "time", help: "When it ends, such as 12h or 30d from now [never]" },
  ],
  details:
    `A token may do what its rules say and no more than the one it is made with, which needs admin.
create prints the token, once, and nothing else. The server needs access control.
With --database-url or --data-dir the tokens of a database are meant, and no token is needed.`,
  examples: [
    "penstock token create --name ci --rules 'create,append:builds/**' --expires 30d",
    "penstock token list",
    "penstock token revoke ci",
  ],
  retryMs: 30_000,
  async run(invocation) {
    const [action, name] = invocation.operands;
    const named = name ?? invocation.text("name");
    switch (action) {
      case "create":
        await create(invocation, named);
        return EXIT.ok;
      case "list":
        await list(invocation);
        return EXIT.ok;
      case "revoke":
        await revoke(invocation, named);
        return EXIT.ok;
      default:
        throw usageError(`"${action}" is none of create, list, revoke`);
    }
  },
};

async function create(invocation: Invocation, name: string | undefined): Promise<void> {
  const { connection, console } = invocation;
  const rules = invocation.text("rules");
  if (name === undefined || rules === undefined) {
    throw usageError("penstock token create needs --name and --rules");
  }
  const expires = invocation.text("expires");
  const namespace = invocation.text("namespace");
  const answer = await connection.send({
    method: "POST",
    url: invocation.streamUrl("__ds/tokens"),
    headers: { "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify({
      name,
      ...(namespace === undefined ? {} : { namespace }),
      rules: wordsOf(rules),
      ...(expires === undefined
        ? {}
        : { expires_at: new Date(Date.now() + secondsOf(expires) * 1000).toISOString() }),
    })),
  });
  const created = await jsonOf<ShownToken>(answer);
  if (created.token === undefined) throw new ClientError(EXIT.failure, "the answer holds no token");
  await console.write(
    invocation.has("json") ? `${JSON.stringify(created)}\n` : `${created.token}\n`,
  );
}

async function list({ connection, console, streamUrl, has }: Invocation): Promise<void> {
  const answer = await connection.send({ method: "GET", url: streamUrl("__ds/tokens") });
  const { tokens } = await jsonOf<{ tokens: ShownToken[] }>(answer);
  if (has("json")) return await console.write(`${JSON.stringify(tokens)}\n`);
  for (const shown of tokens) {
    await console.write(tokenLine(shown, (text) => console.paint(text, "dim")));
  }
}

/** A token as a line of a list. @param paint for what is less important */
export function tokenLine(
  { name, namespace, rules, expires_at: expires }: ShownToken,
  paint: (text: string) => string,
): string {
  const within = namespace === null ? "" : paint(`  in ${namespace}`);
  const until = expires === null ? "" : paint(`  until ${expires}`);
  return `${name}  ${rules.join(" ")}${within}${until}\n`;
}

async function revoke(invocation: Invocation, name: string | undefined): Promise<void> {
  if (name === undefined) throw usageError("penstock token revoke needs the token's name");
  const url = invocation.streamUrl(`__ds/tokens/${name}`);
  const answer = await invocation.connection.send({ method: "DELETE", url });
  await answer.discard();
  await invocation.console.write(
    invocation.has("json") ? `${JSON.stringify({ name, revoked: true })}\n` : `${name} revoked\n`,
  );
}
