/** The JSON in an answer. */
import type { Answer } from "./connection.ts";
import { ClientError, EXIT } from "./exit_codes.ts";

/** @throws ClientError when the answer is no JSON */
export async function jsonOf<T>(answer: Answer): Promise<T> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of answer.body()) text += decoder.decode(bytes, { stream: true });
  try {
    return JSON.parse(text + decoder.decode()) as T;
  } catch {
    throw new ClientError(EXIT.failure, "the answer is not JSON: is this a Penstock server?");
  }
}
