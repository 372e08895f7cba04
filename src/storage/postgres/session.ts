/** How our sessions differ from the server's defaults. */

export interface Session {
  /** Whether the URL leads to a pooler, which may give each transaction another server session. */
  readonly pooled: boolean;
  /** Null: the server's default. */
  readonly synchronousCommit: "on" | null;
}

/** Sessions that change no setting, so that the server's own settings can be queried. */
export const DEFAULT_SESSION: Session = { pooled: true, synchronousCommit: null };
