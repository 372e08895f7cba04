/** Makes a request that fails smaller, for as long as it fails in the same way. */
import type { FuzzRequest } from "./request.ts";

const MOST_TRIES = 100;

/** @param send what is wrong with the answer to a request, or undefined */
export async function shrink(
  request: FuzzRequest,
  fault: string,
  send: (candidate: FuzzRequest) => Promise<string | undefined>,
): Promise<FuzzRequest> {
  let smallest = request;
  for (let tries = 0; tries < MOST_TRIES;) {
    let smaller: FuzzRequest | undefined;
    for (const candidate of candidates(smallest)) {
      if (++tries > MOST_TRIES) break;
      if (kindOf(await send(candidate)) !== kindOf(fault)) continue;
      smaller = candidate;
      break;
    }
    if (smaller === undefined) break;
    smallest = smaller;
  }
  return smallest;
}

/** Its first words: the rest is of the request. */
function kindOf(fault: string | undefined): string | undefined {
  return fault?.slice(0, 20);
}

function* candidates(request: FuzzRequest): Generator<FuzzRequest> {
  const { headers, body, target, chunks } = request;
  if (body !== null) yield { ...request, body: null, chunks: null };
  const question = target.indexOf("?");
  if (question >= 0) yield { ...request, target: target.slice(0, question) };
  for (let at = 0; at < headers.length; at++) {
    yield { ...request, headers: headers.filter((_, index) => index !== at) };
  }
  if (chunks !== null) yield { ...request, chunks: null };
  if (body === null || body.length < 2) return;
  const half = body.length >>> 1;
  yield { ...request, body: body.slice(0, half) };
  yield { ...request, body: body.slice(half) };
}
