/** Every client command there is; each is a file. */
import type { Command } from "./command.ts";
import { append } from "./commands/append.ts";
import { close } from "./commands/close.ts";
import { completions } from "./commands/completions.ts";
import { create } from "./commands/create.ts";
import { fork } from "./commands/fork.ts";
import { importStreams } from "./commands/import.ts";
import { ls } from "./commands/ls.ts";
import { read } from "./commands/read.ts";
import { rm } from "./commands/rm.ts";
import { stat } from "./commands/stat.ts";
import { status } from "./commands/status.ts";
import { sub } from "./commands/sub.ts";
import { tail } from "./commands/tail.ts";
import { token } from "./commands/token.ts";
import { trim } from "./commands/trim.ts";

export const COMMANDS: readonly Command[] = [
  create,
  append,
  read,
  tail,
  stat,
  ls,
  close,
  fork,
  trim,
  rm,
  status,
  importStreams,
  sub,
  token,
  completions,
];
