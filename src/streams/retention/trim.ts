/** Drops the beginning of a stream: its bytes are not served from then on, and deleted in a while. */
import { Refused } from "../../errors.ts";
import { isJsonMode } from "../../protocol/content_type.ts";
import type { OffsetRequest } from "../../protocol/offset.ts";
import { type Database, numberArray } from "../../storage/database.ts";
import { positionOf } from "../read/offset_position.ts";
import type { PageReader } from "../read/page_reader.ts";
import type { StateLoader } from "../state_loader.ts";
import { type StreamState, unusable } from "../stream_state.ts";

const TRIM = `select trimmed_id as id, earliest
  from penstock.trim_streams($1::bigint[], $2::bigint[])`;

/** Where a stream is to begin, or begins. */
export interface Cut {
  readonly id: number;
  readonly earliest: number;
}

export interface TrimParts {
  readonly database: Database;
  readonly stateLoader: StateLoader;
  readonly reader: Pick<PageReader, "page">;
  /** Told where streams begin now. */
  readonly onTrimmed: (cuts: readonly Cut[]) => void;
}

/**
 * Trims streams, all of them or none. @returns where each that is there begins now
 * @throws DatabaseUnavailable
 */
export async function trimAll(database: Database, cuts: readonly Cut[]): Promise<Cut[]> {
  // In the order of the locks.
  const ordered = [...cuts].sort((a, b) => a.id - b.id);
  return await database.query<Cut>(TRIM, [
    numberArray(ordered.map(({ id }) => id)),
    numberArray(ordered.map(({ earliest }) => earliest)),
  ]);
}

/**
 * Drops what lies before an offset, if that is one of the stream's and between two messages.
 * @returns the stream's state with its earliest position as it is now, which is a later one where
 * the stream was trimmed there before
 * @throws Refused, DatabaseUnavailable
 */
export async function trimStream(
  parts: TrimParts,
  path: string,
  before: OffsetRequest,
): Promise<StreamState> {
  const stream = await parts.stateLoader.load(path);
  const refusal = unusable(stream);
  if (refusal !== null) throw new Refused(refusal);
  const position = positionOf(stream!, before);
  if (position <= stream!.earliest) return stream!;
  if (isJsonMode(stream!.contentType) && position < stream!.tail) {
    // A page begins between messages, or is refused.
    const page = await parts.reader.page(stream!, position, stream!, 1);
    page.release?.();
  }
  const [trimmed] = await trimAll(parts.database, [{ id: stream!.id, earliest: position }]);
  if (trimmed === undefined) throw new Refused({ kind: "not_found" });
  parts.onTrimmed([trimmed]);
  return { ...stream!, earliest: trimmed.earliest };
}
