/** Reads a command's arguments against its description. */
import { parseArgs } from "node:util";
import { type CommandDescription, type Flag, SHARED_FLAGS } from "./command.ts";
import { usageError } from "./exit_codes.ts";
import { nearest } from "./nearest.ts";

export interface ParsedArguments {
  readonly operands: readonly string[];
  readonly values: ReadonlyMap<string, string | true>;
}

/**
 * @param args what follows the command's name
 * @throws ClientError with exit code 2
 */
export function parseArguments(
  command: CommandDescription,
  args: readonly string[],
): ParsedArguments {
  const parsed = parseFlags({ ...command, flags: [...command.flags, ...SHARED_FLAGS] }, args);
  if (!parsed.values.has("help")) checkOperands(command, parsed.operands);
  return parsed;
}

/**
 * Reads flags by their description; all other words are operands.
 * @throws ClientError with exit code 2 and a line for each flag that is wrong
 */
export function parseFlags(
  { name, flags }: Pick<CommandDescription, "name" | "flags">,
  args: readonly string[],
): ParsedArguments {
  const values = new Map<string, string | true>();
  const operands: string[] = [];
  const problems: string[] = [];
  for (const token of tokensOf(flags, args)) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const flag = flags.find((known) => known.name === token.name);
    const problem = flag === undefined
      ? unknownFlag(name, flags, token.rawName)
      : problemOf(flag, token);
    if (problem !== undefined) problems.push(problem);
    else values.set(token.name, token.value ?? true);
  }
  if (problems.length > 0) throw usageError(problems.join("\n"));
  return { operands, values };
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function tokensOf(flags: readonly Flag[], args: readonly string[]) {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const { name, short, value } of flags) {
    options[name] = {
      type: value === undefined ? "boolean" : "string",
      ...(short === undefined ? {} : { short }),
    };
  }
  // Not strict: its own errors name neither the command nor the nearest flag.
  return parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  }).tokens;
}

function problemOf(
  flag: Flag,
  { rawName, value, inlineValue }: OptionToken,
): string | undefined {
  if (flag.value === undefined) {
    return value === undefined ? undefined : `${rawName} takes no value`;
  }
  // `--data --json` is more likely a forgotten value than the text "--json"; `-5` is a value.
  if (value === undefined || (inlineValue !== true && value.startsWith("--"))) {
    return `${rawName} needs a value: ${rawName} <${flag.value}>`;
  }
  return undefined;
}

function unknownFlag(command: string, flags: readonly Flag[], rawName: string): string {
  const guess = nearest(rawName.replace(/^-+/, ""), flags.map(({ name }) => name));
  const hint = guess === undefined ? "" : `: did you mean --${guess}?`;
  return `penstock ${command} has no flag ${rawName}${hint}`;
}

/** The words of a flag that holds several, with spaces between. */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function checkOperands(command: CommandDescription, operands: readonly string[]): void {
  const missing = command.operands[operands.length];
  if (missing !== undefined && !missing.endsWith("?")) {
    throw usageError(`penstock ${command.name} needs <${missing}>`);
  }
  const extra = operands[command.operands.length];
  if (extra !== undefined) throw usageError(`unexpected argument "${extra}"`);
}
