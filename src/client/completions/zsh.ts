/** Completions for zsh. */
import type { CommandDescription, Flag } from "../command.ts";
import { quote } from "./quote.ts";

export function zshCompletions(commands: readonly CommandDescription[]): string {
  const names = commands.map(({ name, summary }) => `    ${quote(`${colons(name)}:${summary}`)}`);
  const cases = commands.map((command) =>
    `    ${command.name})\n      _arguments -s ${argumentsOf(command).join(" \\\n        ")} ;;`
  );
  return `#compdef penstock
# penstock: completions for zsh
_penstock() {
  local -a commands
  commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
${cases.join("\n")}
  esac
}
compdef _penstock penstock
`;
}

function argumentsOf(command: CommandDescription): string[] {
  const operands = command.operands.map((operand, at) => {
    const name = operand.replace(/\?$/, "");
    const words = at === 0 ? command.operandSuggestions?.join(" ") : undefined;
    return quote(`${at + 1}:${name}:${words === undefined ? "" : `(${words})`}`);
  });
  return [...command.flags.map(flagArgument), ...operands];
}

function flagArgument({ name, short, value, help, suggestions }: Flag): string {
  const description = `[${brackets(help)}]`;
  const operand = value === undefined
    ? ""
    : `:${colons(value)}:${suggestions === undefined ? "" : `(${suggestions.join(" ")})`}`;
  if (short === undefined) return quote(`--${name}${description}${operand}`);
  const exclusive = quote(`(-${short} --${name})`);
  return `${exclusive}{-${short},--${name}}${quote(`${description}${operand}`)}`;
}

function brackets(text: string): string {
  return text.replaceAll("[", "(").replaceAll("]", ")");
}

function colons(text: string): string {
  return text.replaceAll(":", "\\:");
}
