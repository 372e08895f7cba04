import type { Command } from "../command.ts";
import { ClientError, EXIT } from "../exit_codes.ts";

export const rm: Command = {
  name: "rm",
  summary: "Remove a stream and all it holds",
  operands: ["path"],
  flags: [{ name: "force", short: "f", help: "Be content when there is no such stream" }],
  details: "It cannot be undone. Forks of the stream keep what they have of it.",
  examples: ["penstock rm chat/42", "penstock rm chat/42 --force"],
  retryMs: 30_000,
  async run({ console, connection, operands, streamUrl, has }) {
    const path = operands[0]!;
    const url = streamUrl(path);
    const answer = await connection.send({ method: "DELETE", url, expected: [404, 410] });
    await answer.discard();
    // It is gone, and may be so by an attempt whose answer was lost.
    const removed = answer.status < 300 || answer.failures > 0;
    if (!removed && !has("force")) {
      const message = answer.status === 410 ? "removed before; forks still read it" : "no stream";
      throw new ClientError(EXIT.notFound, `${url.href}: ${message} (HTTP ${answer.status})`);
    }
    await console.write(
      has("json")
        ? `${JSON.stringify({ path, url: url.href, removed })}\n`
        : `${path} ${console.paint(removed ? "removed" : "was not there", "green")}\n`,
    );
    return EXIT.ok;
  },
};
