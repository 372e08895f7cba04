/** Why a load cannot go on, and where it stopped. */

/** What the database holds does not let the dump be loaded. The message is a sentence. */
export class LoadRefused extends Error {
  override name = "LoadRefused";
}

/** How much of a dump has been loaded. */
export interface LoadReport {
  /** Streams that are there now and were not before, and their bytes. */
  readonly loaded: number;
  readonly bytes: number;
  /** Of the loaded ones, those that took the place of another at their path. */
  readonly replaced: number;
  /** Streams of the dump that were left out: another holds their path. */
  readonly skipped: number;
  /** Streams that were there already, the same. */
  readonly unchanged: number;
  readonly subscriptions: number;
  /** The path of the last stream that was loaded; null: none was. */
  readonly lastPath: string | null;
}

/** A load ended early, by what `cause` says. What `report` counts is loaded, and stays. */
export class LoadStopped extends Error {
  override name = "LoadStopped";
  constructor(cause: unknown, readonly report: LoadReport) {
    const { loaded, lastPath } = report;
    const until = lastPath === null
      ? "no stream was loaded"
      : `${loaded} streams were loaded, in the order of the dump up to ${lastPath}`;
    super(`${cause instanceof Error ? cause.message : String(cause)}; ${until}`, { cause });
  }
}
