/** The one table from refusals to HTTP. */
import { encodeOffset } from "../protocol/offset.ts";
import type { Refusal } from "../errors.ts";
import {
  CLOSED,
  NEXT_OFFSET,
  PRODUCER_EPOCH,
  PRODUCER_EXPECTED_SEQ,
  PRODUCER_RECEIVED_SEQ,
} from "../protocol/headers.ts";
import { type HeaderList, respondError } from "./respond.ts";

export function respondRefusal(refusal: Refusal): Response {
  const { status, code, message, headers } = answerTo(refusal);
  return respondError(status, { code, message }, headers);
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: HeaderList;
}

function answerTo(refusal: Refusal): Answer {
  switch (refusal.kind) {
    case "not_found":
      return { status: 404, code: "stream_not_found", message: "there is no stream here" };
    case "gone":
      return {
        status: 410,
        code: "stream_gone",
        message: "the stream was deleted; forks still read it",
      };
    case "closed":
      return {
        status: 409,
        code: "stream_closed",
        message: "the stream is closed",
        headers: [[CLOSED, "true"], [NEXT_OFFSET, encodeOffset(refusal.tail)]],
      };
    case "content_type_mismatch":
      return {
        status: 409,
        code: "content_type_mismatch",
        message: `the stream's content type is ${refusal.expected}`,
      };
    case "sequence_regression":
      return {
        status: 409,
        code: "sequence_regression",
        message: "Stream-Seq is not greater than the last one accepted",
      };
    case "stale_epoch":
      return {
        status: 403,
        code: "stale_epoch",
        message: "a newer epoch of this producer has written",
        headers: [[PRODUCER_EPOCH, String(refusal.epoch)]],
      };
    case "sequence_gap":
      return {
        status: 409,
        code: "sequence_gap",
        message: `expected Producer-Seq ${refusal.expected}, received ${refusal.received}`,
        headers: [
          [PRODUCER_EXPECTED_SEQ, String(refusal.expected)],
          [PRODUCER_RECEIVED_SEQ, String(refusal.received)],
        ],
      };
    case "conflict":
      return { status: 409, code: "conflict", message: refusal.message };
    case "invalid":
      return { status: 400, code: refusal.code, message: refusal.message };
  }
}
