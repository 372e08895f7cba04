/** How sessions differ from what the server would give them. */

export interface Session {
  /** Whether the URL leads to a pooler, which may give each transaction another server session. */
  readonly pooled: boolean;
  /** Null: the server's default. */
  readonly synchronousCommit: "on" | null;
}

/** Sessions that change no setting, in order to ask the server for its settings. */
export const DEFAULT_SESSION: Session = { pooled: true, synchronousCommit: null };
