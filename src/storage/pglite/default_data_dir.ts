/** The default data folder of the embedded database. Pure: the environment is passed in. */
import { posix, win32 } from "node:path";

/** The environment variables that are read. Empty means unset, as the XDG specification says. */
export type DataDirEnvironment = Readonly<Record<string, string | undefined>>;

/** There is no home folder to put data in. The message says which option to give instead. */
export class NoDataDir extends Error {
  override name = "NoDataDir";
}

/**
 * The folder for this user's data, by the convention of each operating system:
 *
 * - Windows: `%LOCALAPPDATA%\penstock`, never the roaming profile: a database is not to be copied
 *   between machines at sign-in
 * - macOS: `~/Library/Application Support/penstock`
 * - all others: `$XDG_DATA_HOME/penstock`, else `~/.local/share/penstock`
 *
 * @param platform `process.platform`: `win32`, `darwin`, `linux`, …
 * @throws NoDataDir when the environment names no home, as in a bare container or a system unit.
 */
export function defaultDataDir(env: DataDirEnvironment, platform: string): string {
  if (platform === "win32") {
    const local = env.LOCALAPPDATA ||
      (env.USERPROFILE && win32.join(env.USERPROFILE, "AppData", "Local"));
    if (local) return win32.join(local, "penstock");
    throw new NoDataDir("neither LOCALAPPDATA nor USERPROFILE is set: name a data directory");
  }
  if (platform !== "darwin") {
    const xdg = env.XDG_DATA_HOME;
    // The XDG specification says that a relative path is invalid and has to be ignored.
    if (xdg && posix.isAbsolute(xdg)) return posix.join(xdg, "penstock");
  }
  if (!env.HOME) throw new NoDataDir("HOME is not set: name a data directory");
  return platform === "darwin"
    ? posix.join(env.HOME, "Library", "Application Support", "penstock")
    : posix.join(env.HOME, ".local", "share", "penstock");
}
