/** The access log: a line for each request, as text or JSON, on standard output. */

/** One request that has been answered, its body included. Holds no query, header, token or body. */
export interface RequestLine {
  readonly requestId: string;
  /** The other side of the connection: of a proxied request, the proxy. */
  readonly address: string;
  /** X-Forwarded-For as the request had it, bounded; not there when it had none. */
  readonly forwardedFor?: string;
  /** The holder of the request's token, such as `token ci`; not there when there was none. */
  readonly principal?: string;
  readonly method: string;
  /** Percent-encoded, as it was sent, without the query. */
  readonly path: string;
  /** `append`, `catch-up`, `sse` and so on: what the request was. */
  readonly mode: string;
  readonly status: number;
  /** Of the response's body, as many as were taken by the client. */
  readonly bytes: number;
  /** From the request's head to the end of the response. */
  readonly ms: number;
}

export type AccessLogFormat = "text" | "json";

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  readonly write: (text: string) => void;
  /** Of several processes that write to one log, this one; null: the only one. */
  readonly worker: number | null;
}

export function openAccessLog(
  { format, write, worker }: AccessLogOptions,
): (line: RequestLine) => void {
  return format === "json"
    ? (line) => write(accessLogJson(line, { time: new Date(), worker }))
    : (line) => write(accessLogText(line, { time: new Date(), worker }));
}

interface LineContext {
  readonly time: Date;
  readonly worker: number | null;
}

export function accessLogJson(line: RequestLine, { time, worker }: LineContext): string {
  const context = { time: time.toISOString(), ...(worker === null ? {} : { worker }) };
  return JSON.stringify({ ...context, event: "request", ...line }) + "\n";
}

/** Fields with spaces between; none of them can hold a space. */
export function accessLogText(line: RequestLine, { time, worker }: LineContext): string {
  const fields: (string | number)[] = [
    time.toISOString(),
    ...(worker === null ? [] : [`[${worker}]`]),
    line.address,
    line.principal ?? "-",
    line.method,
    line.path,
    line.mode,
    line.status,
    line.bytes,
    `${line.ms}ms`,
    line.requestId,
  ];
  return fields.map((field) => oneWord(String(field))).join(" ") + "\n";
}

/** A client chooses its method and path: nothing in them may end the field or the line. */
function oneWord(text: string): string {
  if (text === "") return "-";
  return text.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character.toWellFormed()));
}
