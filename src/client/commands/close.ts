import type { Command, Invocation } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import { identify, Producer } from "../producer.ts";
import { appendableType, isJson } from "../stream_metadata.ts";

export const close: Command = {
  name: "close",
  summary: "Close a stream: nothing can be appended to it any more",
  operands: ["path"],
  flags: [
    { name: "data", value: "text", help: "A last message, appended and closed behind in one step" },
  ],
  details: "Followers of the stream reach its end. Closing a closed stream is not an error,\n" +
    "unless there is a last message.",
  examples: ["penstock close chat/42", `penstock close events --data '{"done":true}'`],
  retryMs: 30_000,
  async run(invocation) {
    const { console, operands, streamUrl, has } = invocation;
    const path = operands[0]!;
    const url = streamUrl(path);
    const nextOffset = await closeStream(invocation, url);
    await console.write(
      has("json")
        ? `${JSON.stringify({ path, url: url.href, closed: true, nextOffset })}\n`
        : `${path} ${console.paint("closed", "green")}\n`,
    );
    return EXIT.ok;
  },
};

/** @returns where the stream ends */
async function closeStream({ connection, console, text }: Invocation, url: URL) {
  const data = text("data");
  const closing = { "stream-closed": "true" };
  if (data === undefined || data === "") {
    const body = new Uint8Array(0);
    const answer = await connection.send({ method: "POST", url, headers: closing, body });
    await answer.discard();
    return answer.headers.get("stream-next-offset");
  }
  const contentType = await appendableType(connection, url);
  // As a producer: a last message whose answer is lost is sent again, and appended once.
  const warn = (message: string) => console.tell(message);
  const producer = new Producer({ connection, warn, ...identify("auto", undefined) });
  const answer = await producer.append({
    url,
    headers: { ...closing, "content-type": contentType },
    body: new TextEncoder().encode(isJson(contentType) ? `[${data}]` : data),
  });
  return answer.headers.get("stream-next-offset");
}
