/** Help texts, generated from the commands' descriptions. */
import { type Command, type CommandDescription, type Flag, SHARED_FLAGS } from "./command.ts";

const WIDTH = 72;

/** `penstock append --help`. */
export function commandHelp(command: Command): string {
  return [
    `penstock ${command.name}: ${lowerFirst(command.summary)}`,
    `Usage:\n  ${usage(command)}`,
    ...(command.details === undefined ? [] : [command.details]),
    ...(command.flags.length === 0 ? [] : [`Options:\n${flagLines(command.flags)}`]),
    `Options of every command:\n${flagLines(SHARED_FLAGS)}`,
    `Examples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`,
    "Exit codes: 0 done, 1 server or network failed, 2 usage, 3 no such stream, 4 closed or\n" +
    "conflict, 5 not allowed, 130 interrupted",
  ].join("\n\n") + "\n";
}

export function usage({ name, operands }: CommandDescription): string {
  const words = operands.map((operand) =>
    operand.endsWith("?") ? ` [${operand.slice(0, -1)}]` : ` <${operand}>`
  );
  return `penstock ${name}${words.join("")} [options]`;
}

/** A line for each command, for `penstock --help`. */
export function commandList(commands: readonly CommandDescription[]): string {
  return commands.map((command) => {
    const words = usage(command).replace(" [options]", "");
    return `  ${words.padEnd(32)}${words.length > 31 ? `\n${" ".repeat(34)}` : ""}${
      lowerFirst(command.summary)
    }`;
  }).join("\n");
}

function flagLines(flags: readonly Flag[]): string {
  return flags.map(({ name, short, value, help, environment }) => {
    const dashed = `${short === undefined ? "" : `-${short}, `}--${name}`;
    const placeholder = value === undefined ? "" : ` <${value}>`;
    const variable = environment === undefined ? "" : `  (${environment})`;
    return `  ${dashed}${placeholder}\n${wrap(help + variable)}`;
  }).join("\n");
}

function lowerFirst(sentence: string): string {
  return sentence.slice(0, 1).toLowerCase() + sentence.slice(1);
}

/** Indented lines that a terminal of 80 columns holds. */
function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `      ${line}`).join("\n");
}
