import type { Command } from "../command.ts";
import { formatSeconds } from "../durations.ts";
import { EXIT } from "../exit_codes.ts";
import { inspect } from "../stream_metadata.ts";

export const stat: Command = {
  name: "stat",
  summary: "Say what a stream is, and where it ends",
  operands: ["path"],
  flags: [],
  examples: ["penstock stat chat/42", "penstock stat chat/42 --json"],
  retryMs: 30_000,
  async run({ console, connection, operands, streamUrl, has }) {
    const path = operands[0]!;
    const url = streamUrl(path);
    const metadata = await inspect(connection, url);
    if (has("json")) {
      await console.write(`${JSON.stringify({ path, url: url.href, ...metadata })}\n`);
      return EXIT.ok;
    }
    const rows: [string, string][] = [
      ["Stream", url.href],
      ["Type", metadata.contentType],
      ["State", metadata.closed ? "closed" : "open"],
      ["Ends at", metadata.nextOffset ?? "unknown"],
    ];
    if (metadata.ttlSeconds !== null) {
      rows.push(["TTL", `${formatSeconds(metadata.ttlSeconds)} without use`]);
    }
    if (metadata.expiresAt !== null) rows.push(["Expires", metadata.expiresAt]);
    if (metadata.earliestOffset !== null) rows.push(["Begins at", metadata.earliestOffset]);
    if (metadata.retention !== null) rows.push(["Keeps", metadata.retention]);
    for (const [label, value] of rows) {
      await console.write(`${console.paint(label.padEnd(11), "dim")}${value}\n`);
    }
    return EXIT.ok;
  },
};
