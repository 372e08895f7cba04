/** What `penstock --help` prints. */
import { COMMANDS } from "../client/commands.ts";
import { commandList } from "../client/help.ts";
import { type Option, OPTIONS } from "./options.ts";
import { TRANSFER_COMMANDS } from "./transfer/commands.ts";
import { VERSION } from "../version.ts";

export function helpText(): string {
  const lines = Object.values<Option>(OPTIONS).map((option) => {
    const flag = `--${option.flag}${option.value === undefined ? "" : ` <${option.value}>`}`;
    const fallback = option.fallback === "" || option.value === undefined
      ? ""
      : ` [${option.fallback}]`;
    return `  ${flag}\n${indented(`${option.help}${fallback} (${option.environment})`)}`;
  });
  return `Penstock ${VERSION}: durable streams over HTTP, kept in PostgreSQL

Usage:
  penstock [serve] [options]    serve streams under /v1/stream/ (the default)
  penstock migrate [options]    bring the database's schema up to date, and end
  penstock check [options]      say whether a server with these settings would run well
  penstock keys rotate [options]
                                sign webhooks and tokens with new keys from now on
  penstock healthcheck [options]
                                ask the server of these settings whether it is ready
  penstock version              print the version (also -v, --version)
  penstock help [command]       print this, or what a command takes (also -h, --help)

Move streams between databases (penstock COMMAND --help says more):
${commandList(TRANSFER_COMMANDS)}

Use streams of this or any other Durable Streams server (penstock COMMAND --help says more):
${commandList(COMMANDS)}

Options of the server (flags over environment over defaults):
${lines.join("\n")}
`;
}

/** The text in lines of 80 columns at most, each indented by six. */
function indented(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > 74) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => `      ${line}`).join("\n");
}
