/** DELETE, and whatever else ends streams: their state is set here, the sweep removes their bytes. */
import type { Refusal } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";
import type { StateLoader } from "../state_loader.ts";
import { unusable } from "../stream_state.ts";

const TERMINATE = `select outcome, array_to_string(terminated, ',') as terminated
  from penstock.terminate_stream($1, $2)`;

/** What became of a stream that was to be terminated. */
export interface Termination {
  readonly outcome: "deleted" | "soft_deleted" | "already_soft_deleted" | "not_found" | "active";
  /** The ids of all streams that ended with it: sources whose last fork it was. */
  readonly terminated: readonly number[];
}

/**
 * Terminates a stream; one that forks read is soft-deleted.
 * @param expiredOnly whether only to do so when it has expired
 */
export async function terminate(
  database: Database,
  id: number,
  expiredOnly: boolean,
): Promise<Termination> {
  const [row] = await database.query<{ outcome: Termination["outcome"]; terminated: string }>(
    TERMINATE,
    [id, expiredOnly],
  );
  const { outcome = "not_found", terminated = "" } = row ?? {};
  return { outcome, terminated: terminated === "" ? [] : terminated.split(",").map(Number) };
}

export interface DeleteParts {
  readonly database: Database;
  readonly stateLoader: StateLoader;
  /** Told the ids of the streams that ended. */
  readonly onEnded: (ids: readonly number[]) => void;
}

/** DELETE (section 5.4): null when the stream is gone now, soft-deleted where forks read it. */
export async function deleteStream(parts: DeleteParts, path: string): Promise<Refusal | null> {
  const stream = await parts.stateLoader.load(path);
  const refusal = unusable(stream);
  if (refusal !== null) return refusal;
  const { outcome, terminated } = await terminate(parts.database, stream!.id, false);
  parts.onEnded(terminated);
  if (outcome === "deleted" || outcome === "soft_deleted") return null;
  return { kind: outcome === "already_soft_deleted" ? "gone" : "not_found" };
}
