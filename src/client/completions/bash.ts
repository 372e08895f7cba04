/** Completions for bash 3.2 and newer. */
import type { CommandDescription } from "../command.ts";
import { quote } from "./quote.ts";

export function bashCompletions(commands: readonly CommandDescription[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const cases = commands.map((command) => `    ${caseOf(command)}`).join("\n");
  return `# penstock: completions for bash
_penstock() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  local flags="" operands=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quote(`${names} --help --version`)} -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases}
    *) return ;;
  esac
${valueCases(commands)}
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$operands" -- "$word")) ;;
  esac
}
complete -o default -F _penstock penstock
`;
}

function caseOf(command: CommandDescription): string {
  const operands = (command.operandSuggestions ?? []).join(" ");
  const flags = command.flags.map(({ name }) => `--${name}`).join(" ");
  return `${command.name}) flags=${quote(flags)} operands=${quote(operands)} ;;`;
}

/** After a flag with a value comes a suggestion, or whatever the user types. */
function valueCases(commands: readonly CommandDescription[]): string {
  const suggestions = new Map<string, string>();
  for (const { flags } of commands) {
    for (const flag of flags) {
      if (flag.value === undefined) continue;
      suggestions.set(`--${flag.name}`, (flag.suggestions ?? []).join(" "));
    }
  }
  const cases = [...suggestions].map(([flag, words]) =>
    `    ${flag}) COMPREPLY=($(compgen -W ${quote(words)} -- "$word")); return ;;`
  );
  return `  case "$before" in\n${cases.join("\n")}\n  esac`;
}
