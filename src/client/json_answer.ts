import type { Answer } from "./connection.ts";
import { ClientError, EXIT } from "./exit_codes.ts";

/** The body of an answer of the server's own APIs. @throws ClientError when it is not JSON */
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
