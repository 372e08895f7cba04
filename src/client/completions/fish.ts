/** Completions for fish. */
import type { CommandDescription, Flag } from "../command.ts";

export function fishCompletions(commands: readonly CommandDescription[]): string {
  const lines = ["# penstock: completions for fish", "complete -c penstock -f"];
  for (const command of commands) {
    const { name, summary, operandSuggestions } = command;
    lines.push(
      `complete -c penstock -n __fish_use_subcommand -a ${quoteFish(name)} -d ${
        quoteFish(summary)
      }`,
    );
    const within = `complete -c penstock -n ${quoteFish(`__fish_seen_subcommand_from ${name}`)}`;
    if (operandSuggestions !== undefined) {
      lines.push(`${within} -a ${quoteFish(operandSuggestions.join(" "))}`);
    }
    for (const flag of command.flags) lines.push(`${within} ${flagOf(flag)}`);
  }
  return `${lines.join("\n")}\n`;
}

function flagOf({ name, short, value, help, suggestions }: Flag): string {
  return [
    `-l ${name}`,
    ...(short === undefined ? [] : [`-s ${short}`]),
    ...(value === undefined ? [] : ["-x"]),
    ...(suggestions === undefined ? [] : [`-a ${quoteFish(suggestions.join(" "))}`]),
    `-d ${quoteFish(help)}`,
  ].join(" ");
}

/** Within single quotes fish reads only `\\` and `\'` in another way. */
function quoteFish(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
