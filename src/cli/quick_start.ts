/** What a person sees first: what runs, and commands to try, each to be copied as it stands. */
import { selfCommand } from "../platform.ts";
import { VERSION } from "../version.ts";

/** The server of the client commands that are given no other. */
const DEFAULT_URL = "http://127.0.0.1:4437";

export interface QuickStart {
  /** Of the server, without a slash at the end. */
  readonly url: string;
  /** Which database, as text. */
  readonly database: string;
  readonly inspector: boolean;
  /** Whether requests need a token. */
  readonly guarded: boolean;
  /** Whether this program is a file of its own, whose name a shell knows: else curl stands for it. */
  readonly compiled?: boolean;
}

export function quickStart(
  { url, database, inspector, guarded, compiled = isCompiled() }: QuickStart,
): string {
  const page = inspector ? `\n  Inspector  ${url}/_penstock/` : "";
  const token = guarded ? `\n    export PENSTOCK_TOKEN=...` : "";
  const commands = compiled ? penstockCommands(url) : curlCommands(url, guarded);
  return `
  Penstock ${VERSION}
  Database   ${database}${page}
  Streams    ${url}/v1/stream/{path}

  Follow a stream in a second terminal, and append to it in a third:${token}
    ${commands.join("\n    ")}

`;
}

function penstockCommands(url: string): string[] {
  const at = url === DEFAULT_URL ? "" : ` --url ${url}/v1/stream`;
  return [
    `penstock create hello --content-type text/plain${at}`,
    `penstock tail hello -f${at}`,
    `penstock append hello --data 'hello, world'${at}`,
  ];
}

function curlCommands(url: string, guarded: boolean): string[] {
  const stream = `${url}/v1/stream/hello`;
  const type = `-H 'Content-Type: text/plain'`;
  const token = guarded ? ` -H "Authorization: Bearer $PENSTOCK_TOKEN"` : "";
  return [
    `curl -X PUT ${type}${token} ${stream}`,
    `curl -N${token} '${stream}?offset=-1&live=sse'`,
    `curl -X POST ${type}${token} -d 'hello, world' ${stream}`,
  ];
}

function isCompiled(): boolean {
  return selfCommand().args.length === 0;
}
