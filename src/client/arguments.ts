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
  const flags = [...command.flags, ...SHARED_FLAGS];
  const values = new Map<string, string | true>();
  const operands: string[] = [];
  for (const token of tokensOf(flags, args)) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const flag = flags.find(({ name }) => name === token.name);
    if (flag === undefined) throw usageError(unknownFlag(command, flags, token.rawName));
    values.set(flag.name, valueOf(flag, token));
  }
  if (!values.has("help")) checkOperands(command, operands);
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

function valueOf(flag: Flag, { rawName, value, inlineValue }: OptionToken): string | true {
  if (flag.value === undefined) {
    if (value !== undefined) throw usageError(`${rawName} takes no value`);
    return true;
  }
  // `--data --json` is more likely a forgotten value than the text "--json"; `-5` is a value.
  if (value === undefined || (inlineValue !== true && value.startsWith("--"))) {
    throw usageError(`${rawName} needs a value: ${rawName} <${flag.value}>`);
  }
  return value;
}

function unknownFlag(
  command: CommandDescription,
  flags: readonly Flag[],
  rawName: string,
): string {
  const guess = nearest(rawName.replace(/^-+/, ""), flags.map(({ name }) => name));
  const hint = guess === undefined ? "" : `: did you mean --${guess}?`;
  return `penstock ${command.name} has no flag ${rawName}${hint}`;
}

function checkOperands(command: CommandDescription, operands: readonly string[]): void {
  const missing = command.operands[operands.length];
  if (missing !== undefined && !missing.endsWith("?")) {
    throw usageError(`penstock ${command.name} needs <${missing}>`);
  }
  const extra = operands[command.operands.length];
  if (extra !== undefined) throw usageError(`unexpected argument "${extra}"`);
}
