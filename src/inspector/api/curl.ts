/** A request as a command that can be pasted into a shell. */
import { hasToken } from "./request.ts";
import type { Action } from "./streams.ts";

/** The token itself is never in it: a shell's history keeps what is pasted. */
export function curlOf({ method, url, headers, body }: Action): string {
  const parts = ["curl"];
  if (method === "GET") parts.push("-N");
  else if (method !== "POST" || body === undefined) parts.push("-X", method);
  if (hasToken()) parts.push("-H", '"Authorization: Bearer $PENSTOCK_TOKEN"');
  for (const [name, value] of Object.entries(headers)) {
    parts.push("-H", quote(`${name}: ${value}`));
  }
  if (body !== undefined) parts.push("--data-binary", quote(body));
  parts.push(quote(url.href));
  return parts.join(" ");
}

function quote(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
