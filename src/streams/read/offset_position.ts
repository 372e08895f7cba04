/** Where in a stream an offset is that a client brings. */
import { invalid, Refused } from "../../errors.ts";
import type { OffsetRequest } from "../../protocol/offset.ts";
import type { StreamState } from "../stream_state.ts";
import { isOffsetOf } from "./fork_chain.ts";

/**
 * The position, which may lie before the earliest one that is left.
 * @throws Refused `offset_of_another_stream`, or `invalid` beyond the tail
 */
export function positionOf(stream: StreamState, offset: OffsetRequest): number {
  if (offset.kind === "now") return stream.tail;
  if (offset.kind === "start") return stream.earliest;
  if (!isOffsetOf(stream, offset)) throw new Refused({ kind: "offset_of_another_stream" });
  if (offset.position <= stream.tail) return offset.position;
  throw new Refused(invalid("OFFSET_BEYOND_TAIL", "the offset is beyond the stream's tail"));
}
