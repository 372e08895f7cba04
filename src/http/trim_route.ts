/** POST `__ds/streams/{path}/trim`: drops the beginning of a stream. An extension. */
import { invalidRequest } from "../errors.ts";
import { encodeOffset, type OffsetRequest, parseOffset } from "../protocol/offset.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import type { Streams } from "../streams/streams.ts";
import { parseQuery } from "./query_parameters.ts";
import type { BodyReader } from "./request_body.ts";
import { respondJson } from "./respond.ts";
import { parseObject } from "./subscription_bodies.ts";

const LARGEST_BODY = 4096;

export interface TrimRouteParts {
  readonly streams: Streams;
  readonly bodies: BodyReader;
}

/** @param path of the stream, as it is stored */
export async function trim(
  { streams, bodies }: TrimRouteParts,
  request: Request,
  { path, query }: { readonly path: string; readonly query: string },
): Promise<Response> {
  parseQuery(query, []);
  const before = parseBefore(parseObject(await bodies.read(request, LARGEST_BODY)));
  const stream = await streams.trim(path, before);
  return respondJson(200, { earliest_offset: encodeOffset(offsetAt(stream, stream.earliest)) });
}

function parseBefore({ before, ...others }: Readonly<Record<string, unknown>>): OffsetRequest {
  if (Object.keys(others).length > 0) throw invalidRequest("a trim has before and nothing else");
  const offset = typeof before === "string" ? parseOffset(before) : null;
  if (offset === null) throw invalidRequest("before is an offset that this server gave");
  return offset;
}
