import type { Command } from "../command.ts";
import { usageError } from "../exit_codes.ts";
import { LIFETIME_FLAGS, lifetimeHeaders, printCreated } from "./create.ts";

export const fork: Command = {
  name: "fork",
  summary: "Create a stream that begins as another one did",
  operands: ["source", "path"],
  flags: [
    { name: "offset", value: "offset", help: "Up to where the source is taken over [its end]" },
    {
      name: "sub-offset",
      value: "number",
      help: "So many bytes, or messages of a JSON stream, beyond --offset",
    },
    ...LIFETIME_FLAGS,
  ],
  details: "Nothing is copied, and what is appended to either afterwards is its own.",
  examples: ["penstock fork chat/42 chat/43"],
  retryMs: 30_000,
  async run(invocation) {
    const { connection, operands, streamUrl, text } = invocation;
    const source = streamUrl(operands[0]!);
    const url = streamUrl(operands[1]!);
    if (source.origin !== url.origin) throw usageError("a fork is on the server of its source");
    const offset = text("offset");
    const subOffset = text("sub-offset");
    const answer = await connection.send({
      method: "PUT",
      url,
      headers: {
        ...lifetimeHeaders(invocation),
        "stream-forked-from": source.pathname,
        ...(offset === undefined ? {} : { "stream-fork-offset": offset }),
        ...(subOffset === undefined ? {} : { "stream-fork-sub-offset": subOffset }),
      },
    });
    return await printCreated(invocation, answer);
  },
};
