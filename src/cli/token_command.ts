/**
 * `penstock token` on a database itself, by `--database-url` or `--data-dir`: for the first token, and
 * where no server answers. It needs no token, since the database holds all that tokens protect.
 */
import process from "node:process";
import { AccessTokens, isTokenName, TOKEN_NAME_RULE } from "../access/access_tokens.ts";
import { NO_NAMESPACE, parseNamespace } from "../access/namespaces.ts";
import { parseRules, splitRules, textOfRule } from "../access/rules.ts";
import { parseArguments, type ParsedArguments } from "../client/arguments.ts";
import { token, tokenLine } from "../client/commands/token.ts";
import { secondsOf } from "../client/durations.ts";
import { ClientError, EXIT, usageError } from "../client/exit_codes.ts";
import { Refused } from "../errors.ts";
import { DatabaseClock } from "../storage/database_clock.ts";
import { migrate } from "../storage/migrate.ts";
import { findDatabase, openDatabase } from "../storage/open.ts";
import { messageOf } from "../telemetry/redact.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { FLAGS } from "./server_commands.ts";

/** Whether the arguments of `penstock token` name a database instead of a server. */
export function namesDatabase(args: readonly string[]): boolean {
  return args.some((arg) => /^--(?:database-url|database-url-file|data-dir)(?:=|$)/.test(arg)) &&
    !args.includes("--help") && !args.includes("-h");
}

/** @param args what follows `token`. Sets the exit code when it fails. */
export async function runTokenCommand(args: readonly string[]): Promise<void> {
  try {
    await changeTokens(parseArguments({ ...token, flags: [...token.flags, ...FLAGS] }, args));
  } catch (error) {
    process.stderr.write(`penstock: ${sentenceOf(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

async function changeTokens({ operands, values }: ParsedArguments): Promise<void> {
  const text = (flag: string) => {
    const value = values.get(flag);
    return typeof value === "string" ? value : undefined;
  };
  const [action, operand] = operands;
  const work = ACTIONS[action!];
  if (work === undefined) throw usageError(`"${action}" is none of create, list, revoke`);
  const config = parseConfig(values, process.env);
  const { exists, place } = findDatabase(config);
  if (!exists) throw new Error(`there is no database in ${place}: penstock serve makes one`);
  // The log is on standard output, where there shall be the token and nothing else.
  const database = await openDatabase(config, () => {});
  try {
    await migrate(database);
    const clock = new DatabaseClock(database);
    const name = operand ?? text("name");
    const json = values.has("json");
    const tokens = new AccessTokens(database);
    process.stdout.write(await work({ tokens, clock, name, text, json }));
  } finally {
    await database.close();
  }
}

interface Work {
  readonly tokens: AccessTokens;
  readonly clock: DatabaseClock;
  readonly name: string | undefined;
  readonly text: (flag: string) => string | undefined;
  readonly json: boolean;
}

/** Each returns what it prints. */
const ACTIONS: Readonly<Record<string, (work: Work) => Promise<string>>> = {
  async create({ tokens, clock, name, text, json }) {
    const given = text("rules");
    if (name === undefined || given === undefined) {
      throw usageError("penstock token create needs --name and --rules");
    }
    if (!isTokenName(name)) throw usageError(TOKEN_NAME_RULE);
    const rules = parseRules(splitRules(given));
    if (typeof rules === "string") throw usageError(rules);
    if (rules.length === 0) throw usageError("--rules holds no rule");
    const parsed = text("namespace") === undefined
      ? { namespace: NO_NAMESPACE }
      : parseNamespace(text("namespace")!);
    if (typeof parsed === "string") throw usageError(parsed);
    const expires = text("expires");
    const expiresAtMs = expires === undefined
      ? null
      : await clock.now() + secondsOf(expires) * 1000;
    const { secret } = await tokens.create({ name, ...parsed, rules, expiresAtMs, parentId: null });
    return json ? `${JSON.stringify({ name, token: secret })}\n` : `${secret}\n`;
  },
  async list({ tokens, json }) {
    const shown = (await tokens.list(NO_NAMESPACE)).map((
      { name, namespace, rules, expiresAtMs },
    ) => ({
      name,
      namespace: namespace === NO_NAMESPACE ? null : namespace,
      rules: rules.map(textOfRule),
      expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    }));
    if (json) return `${JSON.stringify(shown)}\n`;
    return shown.map((each) => tokenLine(each, (text) => text)).join("");
  },
  async revoke({ tokens, name, json }) {
    if (name === undefined) throw usageError("penstock token revoke needs the token's name");
    const found = await tokens.named(name);
    if (found === null || !await tokens.revoke(found.id)) {
      throw new ClientError(EXIT.notFound, `there is no token ${name}`);
    }
    return json ? `${JSON.stringify({ name, revoked: true })}\n` : `${name} revoked\n`;
  },
};

function sentenceOf(error: unknown): string {
  if (!(error instanceof Refused)) return messageOf(error);
  return error.refusal.kind === "access_token_exists"
    ? "a token of this name exists: revoke it first, or choose another name"
    : "the database holds as many tokens as it may: revoke some";
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ClientError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT.usage;
  return error instanceof Refused ? EXIT.conflict : EXIT.failure;
}
