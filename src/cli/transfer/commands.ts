/** Commands that move streams between databases and servers. */
import type { Command } from "../../client/command.ts";
import { dump } from "./dump_command.ts";
import { copy, load } from "./load_command.ts";

export const TRANSFER_COMMANDS: readonly Command[] = [dump, load, copy];
