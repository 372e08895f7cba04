import type { Command } from "../command.ts";
import { ClientError, EXIT } from "../exit_codes.ts";

export const trim: Command = {
  name: "trim",
  summary: "Drop the beginning of a stream, up to an offset",
  operands: ["path", "before"],
  flags: [],
  details:
    `What comes before the offset is dropped for good, and readers that are behind are told so.
The offset is one the server gave, between two messages; "now" drops everything there is.
Forks keep what they have of it. Servers other than Penstock may not know this.`,
  examples: [
    "penstock trim chat/42 now",
    "penstock trim chat/42 0000000000000000_0000000000000000 --json",
  ],
  retryMs: 30_000,
  async run({ console, connection, operands, streamUrl, has }) {
    const [path, before] = operands as [string, string];
    const url = trimUrl(streamUrl(path), streamUrl("__ds"));
    const answer = await connection.send({
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: new TextEncoder().encode(JSON.stringify({ before })),
    });
    const earliestOffset = await earliestOf(answer.body());
    await console.write(
      has("json")
        ? `${JSON.stringify({ path, url: streamUrl(path).href, earliestOffset })}\n`
        : `${path} ${console.paint(`begins at ${earliestOffset}`, "green")}\n`,
    );
    return EXIT.ok;
  },
};

/** The control API of a stream, which may have been named by a whole URL. */
function trimUrl(stream: URL, control: URL): URL {
  const [, root, name] = /^(.*\/v1\/stream)\/(.+)$/.exec(stream.pathname) ?? [];
  const base = control.pathname.replace(/\/__ds$/, "");
  const below = stream.origin === control.origin && stream.pathname.startsWith(`${base}/`);
  const trimmed = new URL(stream);
  trimmed.pathname = below
    ? `${control.pathname}/streams/${stream.pathname.slice(base.length + 1)}/trim`
    : `${root}/__ds/streams/${name}/trim`;
  if (below || name !== undefined) return trimmed;
  throw new ClientError(
    EXIT.usage,
    `${stream.href}: give the server's --url and the stream's path`,
  );
}

async function earliestOf(body: AsyncGenerator<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of body) text += decoder.decode(bytes, { stream: true });
  try {
    const { earliest_offset: earliest } = JSON.parse(text + decoder.decode());
    if (typeof earliest === "string") return earliest;
  } catch {
    // What follows says it.
  }
  throw new ClientError(EXIT.failure, "the answer holds no earliest_offset: is this Penstock?");
}
