/** PUT, POST and DELETE of a stream (sections 5.1 to 5.4). */
import { type Namespace, storedName } from "../access/namespaces.ts";
import { encodeOffset } from "../protocol/offset.ts";
import { invalid, type Result } from "../errors.ts";
import { parseLabels } from "../protocol/labels.ts";
import * as header from "../protocol/headers.ts";
import { parseRetention } from "../protocol/retention.ts";
import { parseStreamReference, streamUrlPath } from "../protocol/stream_path.ts";
import type { ForkRequest } from "../streams/lifecycle/create.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import type { Streams } from "../streams/streams.ts";
import { respondRefusal } from "./error_responses.ts";
import type { BodyReader } from "./request_body.ts";
import { type HeaderList, NO_STORE, respond } from "./respond.ts";

export interface PutParts {
  readonly streams: Pick<Streams, "create">;
  readonly bodies: BodyReader;
  /** The client's: in it are the stream and the source of a fork. */
  readonly namespace: Namespace;
  /** Whether a URL with this host is one of this server's. */
  readonly isOwnHost: (host: string) => boolean;
}

export async function put(
  { streams, bodies, namespace, isOwnHost }: PutParts,
  path: string,
  request: Request,
): Promise<Response> {
  const { headers } = request;
  const contentType = header.parseContentType(headers.get("content-type"));
  if ("refusal" in contentType) return respondRefusal(contentType.refusal);
  const ttl = header.parseTtl(headers.get(header.TTL));
  if ("refusal" in ttl) return respondRefusal(ttl.refusal);
  const expiresAt = header.parseExpiresAt(headers.get(header.EXPIRES_AT));
  if ("refusal" in expiresAt) return respondRefusal(expiresAt.refusal);
  if (ttl.value !== null && expiresAt.value !== null) {
    return respondRefusal(
      invalid("TTL_AND_EXPIRES_AT", `${header.TTL} and ${header.EXPIRES_AT} exclude each other`),
    );
  }
  const retention = parseRetention(headers.get(header.RETENTION));
  if ("refusal" in retention) return respondRefusal(retention.refusal);
  const fork = parseFork(headers, { namespace, isOwnHost });
  const labels = parseLabels(headers);
  if ("refusal" in labels) return respondRefusal(labels.refusal);
  if ("refusal" in fork) return respondRefusal(fork.refusal);

  const outcome = await streams.create({
    path: storedName(namespace, path),
    contentType: contentType.value,
    ttlSeconds: ttl.value,
    expiresAtMs: expiresAt.value,
    retention: retention.value,
    closed: header.parseClosed(headers.get(header.CLOSED)),
    labels: labels.value,
    body: await bodies.read(request),
    fork: fork.value,
  });
  if (outcome.kind !== "created" && outcome.kind !== "exists") return respondRefusal(outcome);
  const { stream } = outcome;
  const answer: HeaderList = [
    ["Content-Type", stream.contentType],
    [header.NEXT_OFFSET, encodeOffset(offsetAt(stream, stream.tail))],
    ["Cache-Control", NO_STORE],
  ];
  if (stream.closed) answer.push([header.CLOSED, "true"]);
  if (outcome.kind === "exists") return respond(200, answer);
  answer.push(["Location", urlOf(request, path)]);
  return respond(201, answer);
}

export async function post(
  streams: Pick<Streams, "append">,
  path: string,
  request: Request,
  bodies: BodyReader,
): Promise<Response> {
  const { headers } = request;
  const closes = header.parseClosed(headers.get(header.CLOSED));
  const streamSeq = header.parseStreamSeq(headers.get(header.SEQ));
  if ("refusal" in streamSeq) return respondRefusal(streamSeq.refusal);
  const producer = header.parseProducer(
    headers.get(header.PRODUCER_ID),
    headers.get(header.PRODUCER_EPOCH),
    headers.get(header.PRODUCER_SEQ),
  );
  if ("refusal" in producer) return respondRefusal(producer.refusal);
  const contentType = headers.get("content-type");
  const body = await bodies.read(request);
  if (body.length === 0 && !closes) {
    return respondRefusal(
      invalid(
        "EMPTY_BODY",
        `an append has a body, unless ${header.CLOSED}: true closes the stream`,
      ),
    );
  }
  if (body.length > 0 && (contentType === null || contentType.trim() === "")) {
    return respondRefusal(
      invalid("MISSING_CONTENT_TYPE", "an append with a body has a Content-Type"),
    );
  }

  const outcome = await streams.append(path, {
    contentType,
    body,
    closes,
    streamSeq: streamSeq.value,
    producer: producer.value,
  });
  if (outcome.kind !== "appended") return respondRefusal(outcome);
  const answer: HeaderList = [[
    header.NEXT_OFFSET,
    encodeOffset({ position: outcome.tail, generation: outcome.generation }),
  ]];
  if (outcome.closed) answer.push([header.CLOSED, "true"]);
  if (outcome.producer === null) return respond(204, answer);
  answer.push(
    [header.PRODUCER_EPOCH, String(outcome.producer.epoch)],
    [header.PRODUCER_SEQ, String(outcome.producer.seq)],
  );
  // Section 5.2.1: 200 is new data; a close adds none, and a duplicate adds nothing again.
  return respond(outcome.duplicate || body.length === 0 ? 204 : 200, answer);
}

export async function remove(streams: Streams, path: string): Promise<Response> {
  const refusal = await streams.delete(path);
  return refusal === null ? respond(204) : respondRefusal(refusal);
}

function parseFork(
  headers: Headers,
  { namespace, isOwnHost }: Pick<PutParts, "namespace" | "isOwnHost">,
): Result<ForkRequest | null> {
  const from = headers.get(header.FORKED_FROM);
  const offset = headers.get(header.FORK_OFFSET);
  const subOffset = headers.get(header.FORK_SUB_OFFSET);
  if (from === null) {
    if (offset === null && subOffset === null) return { value: null };
    return {
      refusal: invalid("MISSING_FORK_SOURCE", `a fork needs ${header.FORKED_FROM}`),
    };
  }
  const source = parseStreamReference(from, isOwnHost);
  if ("refusal" in source) return source;
  const anchor = header.parseForkOffset(offset);
  if ("refusal" in anchor) return anchor;
  const sub = header.parseForkSubOffset(subOffset);
  if ("refusal" in sub) return sub;
  return {
    value: {
      sourcePath: storedName(namespace, source.value),
      anchor: anchor.value,
      subOffset: sub.value,
    },
  };
}

/** The stream's URL as the client, or the proxy before us, knows this server. */
export function urlOf({ headers, url }: Request, path: string): string {
  const host = headers.get("host");
  if (host === null || host === "") return streamUrlPath(path);
  const secure = headers.get("x-forwarded-proto") === "https" || url.startsWith("https:");
  return `${secure ? "https" : "http"}://${host}${streamUrlPath(path)}`;
}
