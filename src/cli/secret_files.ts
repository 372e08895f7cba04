/**
 * Secrets in files: URLs with a password that a file holds, and the credentials that systemd hands to a
 * service. No secret then stands in a command line or an environment, which others may read.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Option, type OptionName, OPTIONS } from "./options.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Flags = ReadonlyMap<string, string | true>;

/** Systemd's credentials of these names are the files of these settings, where nothing names one. */
const CREDENTIALS: Readonly<Record<string, OptionName>> = {
  "penstock_database-url": "databaseUrlFile",
  "penstock_listen-url": "listenUrlFile",
  "penstock_admin-token": "adminTokenFile",
  "penstock_jwt-secret": "jwtSecretFile",
};

/** The settings whose text may be in a file, each with the one that names the file. */
const FILES: readonly [OptionName, OptionName][] = [
  ["databaseUrl", "databaseUrlFile"],
  ["listenUrl", "listenUrlFile"],
];

/** No URL is longer; a larger file is a slip. */
const MOST_BYTES = 16_384;

export interface GivenSettings {
  readonly flags: Flags;
  readonly environment: Environment;
  /** Of a flag or variable whose text came from a file: what named the file. */
  readonly sources: ReadonlyMap<string, string>;
}

/** The settings with the texts of files in place. Adds what is wrong to `problems`. */
export function readSecretFiles(
  { flags, environment }: { readonly flags: Flags; readonly environment: Environment },
  problems: string[],
): GivenSettings {
  const filledFlags = new Map(flags);
  const filled: Record<string, string | undefined> = {
    ...environment,
    ...credentials(environment),
  };
  const sources = new Map<string, string>();
  for (const [name, fileName] of FILES) {
    const option: Option = OPTIONS[name];
    const file: Option = OPTIONS[fileName];
    const flag = flags.get(file.flag);
    const fill = (source: string, path: string, taken: boolean, set: (text: string) => string) => {
      if (taken) return problems.push(`${source}: the ${option.flag} itself is given too`);
      const text = readSecret(path);
      if ("problem" in text) return problems.push(`${source}: ${text.problem}`);
      sources.set(set(text.value), source);
    };
    if (typeof flag === "string" && flag !== "") {
      fill(`--${file.flag}`, flag, Boolean(flags.get(option.flag)), (text) => {
        filledFlags.set(option.flag, text);
        return `--${option.flag}`;
      });
    } else if (filled[file.environment]) {
      const taken = Boolean(environment[option.environment]);
      fill(file.environment, filled[file.environment]!, taken, (text) => {
        filled[option.environment] = text;
        return option.environment;
      });
    }
  }
  return { flags: filledFlags, environment: filled, sources };
}

/** Variables for what systemd has put into the folder of the service's credentials. */
function credentials(environment: Environment): Record<string, string> {
  const folder = environment.CREDENTIALS_DIRECTORY;
  const found: Record<string, string> = {};
  if (!folder) return found;
  for (const [credential, name] of Object.entries(CREDENTIALS)) {
    const variable = OPTIONS[name].environment;
    const path = join(folder, credential);
    if (!environment[variable] && existsSync(path)) found[variable] = path;
  }
  return found;
}

function readSecret(path: string): { readonly value: string } | { readonly problem: string } {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    const { code } = error as { code?: string };
    return { problem: `cannot read ${path}: ${code ?? "it is no file"}` };
  }
  if (text === "") return { problem: `${path} is empty` };
  if (text.length > MOST_BYTES) return { problem: `${path} holds more than a URL` };
  return { value: text };
}
