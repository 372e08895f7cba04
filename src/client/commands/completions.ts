import { bashCompletions } from "../completions/bash.ts";
import { fishCompletions } from "../completions/fish.ts";
import { zshCompletions } from "../completions/zsh.ts";
import type { Command, CommandDescription } from "../command.ts";
import { EXIT, usageError } from "../exit_codes.ts";

const SHELLS: Record<string, (commands: readonly CommandDescription[]) => string> = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
};

export const completions: Command = {
  name: "completions",
  summary: "Print what makes a shell complete commands and flags",
  operands: ["shell"],
  operandSuggestions: Object.keys(SHELLS),
  flags: [],
  details: `In ~/.bashrc:                    eval "$(penstock completions bash)"
In ~/.zshrc, after compinit:     eval "$(penstock completions zsh)"
In ~/.config/fish/config.fish:   penstock completions fish | source`,
  examples: ["penstock completions bash"],
  retryMs: 0,
  async run({ console, operands, commands }) {
    const print = SHELLS[operands[0]!];
    if (print === undefined) throw usageError(`the shells are ${Object.keys(SHELLS).join(", ")}`);
    await console.write(print(commands));
    return EXIT.ok;
  },
};
