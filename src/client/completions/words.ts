/** What the generators of completions share. */
import { type CommandDescription, type Flag, SHARED_FLAGS } from "../command.ts";

/** `--data --lines …`, those of every command included. */
export function flagWords(command: CommandDescription): string {
  return allFlags(command).map(({ name }) => `--${name}`).join(" ");
}

/** A command's own flags, then those that every client command takes. */
export function allFlags(command: CommandDescription): readonly Flag[] {
  const own = command.flags.map(({ name }) => name);
  return [...command.flags, ...SHARED_FLAGS.filter(({ name }) => !own.includes(name))];
}

/** One word of a POSIX shell, whatever it holds. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
