/** Connections that crawl, break off, or are only half there. */
import {
  type Abuse,
  appendHead,
  check,
  Fault,
  LARGE,
  LARGE_BYTES,
  mustAnswer,
  PIPELINED,
  sayAndFinish,
  UNTOUCHED,
  withWire,
  write,
} from "../abuse.ts";
import type { Random } from "../random.ts";

/** An upload that is not whole, in either framing. */
function partialUpload(random: Random): string {
  const sent = "x".repeat(random.size(20_000));
  if (random.chance(0.5)) {
    return appendHead(UNTOUCHED, `Content-Length: ${sent.length + 1 + random.size(100_000)}\r\n`) +
      sent;
  }
  const chunk = sent === "" ? "" : `${sent.length.toString(16)}\r\n${sent}\r\n`;
  return appendHead(UNTOUCHED, "Transfer-Encoding: chunked\r\n") + chunk;
}

export const CONNECTION_ABUSES: readonly Abuse[] = [
  {
    name: "an upload broken off",
    weight: 6,
    async run(context) {
      return await withWire(context, async (wire) => {
        await write(wire, partialUpload(context.random));
        if (context.random.chance(0.5)) wire.reset();
        return 1;
      });
    },
  },
  {
    name: "an upload whose sender shuts down too early",
    weight: 6,
    async run(context) {
      const answers = await sayAndFinish(context, partialUpload(context.random));
      if (answers.some(({ status }) => status < 300)) throw new Fault("taken as whole");
      return 1;
    },
  },
  {
    name: "a download broken off",
    weight: 5,
    async run(context) {
      return await withWire(context, async (wire) => {
        await write(wire, `GET ${LARGE}?offset=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        const reply = await wire.read({ headOnly: true });
        if (reply.kind !== "answer") throw new Fault(`${reply.kind} in place of a page`);
        check(reply.answer, "GET", true);
        if (context.random.chance(0.5)) wire.reset();
        return 1;
      });
    },
  },
  {
    name: "a download taken in sips",
    weight: 2,
    async run(context) {
      return await withWire(context, async (wire) => {
        wire.pause();
        await write(wire, `GET ${LARGE}?offset=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        for (let sips = context.random.below(10); sips > 0; sips--) {
          await new Promise((resolve) => setTimeout(resolve, context.random.below(20)));
          wire.resume();
          await new Promise((resolve) => setTimeout(resolve, 0));
          wire.pause();
        }
        wire.resume();
        const { body } = await mustAnswer(wire);
        if (body.length !== LARGE_BYTES) throw new Fault(`${body.length} bytes of a page`);
        return 1;
      });
    },
  },
  {
    name: "a follower that goes away",
    weight: 5,
    async run(context) {
      const live = context.random.pick(["sse", "long-poll"]);
      return await withWire(context, async (wire) => {
        await write(
          wire,
          `GET ${UNTOUCHED}?offset=now&live=${live} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        );
        if (live === "sse") {
          const reply = await wire.read({ headOnly: true });
          if (reply.kind !== "answer") throw new Fault(`${reply.kind} in place of events`);
          check(reply.answer, "GET", true);
        }
        if (context.random.chance(0.5)) wire.reset();
        return 1;
      });
    },
  },
  {
    name: "a request a byte at a time",
    weight: 2,
    async run(context) {
      return await withWire(context, async (wire) => {
        const text = appendHead(PIPELINED, "Content-Length: 6\r\n") + "whole;";
        for (const byte of text) {
          await write(wire, byte);
          await new Promise((resolve) => setTimeout(resolve, context.random.below(3)));
        }
        const { status } = await mustAnswer(wire);
        if (status !== 204) throw new Fault(`status ${status} for a slow append`);
        return 1;
      });
    },
  },
  {
    name: "a connection that says nothing",
    weight: 3,
    async run(context) {
      return await withWire(context, async (wire) => {
        context.random.pick([() => wire.reset(), () => wire.finish(), () => {}])();
        await Promise.resolve();
        return 1;
      });
    },
  },
  {
    name: "half a request, and gone",
    weight: 4,
    async run(context) {
      return await withWire(context, async (wire) => {
        const text = appendHead(UNTOUCHED, "Content-Length: 5\r\n") + "hello";
        await write(wire, text.slice(0, 1 + context.random.below(text.length - 1)));
        return 1;
      });
    },
  },
  {
    name: "requests whose answers nobody waits for",
    weight: 4,
    async run(context) {
      const count = 1 + context.random.below(20);
      return await withWire(context, async (wire) => {
        await write(
          wire,
          `GET ${LARGE}?offset=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(count),
        );
        if (context.random.chance(0.5)) wire.reset();
        return count;
      });
    },
  },
  {
    name: "an early answer to a body that goes on",
    weight: 2,
    async run(context) {
      return await withWire(context, async (wire) => {
        const length = 100 << 20;
        await write(wire, appendHead(UNTOUCHED, `Content-Length: ${length}\r\n`));
        const { status } = await mustAnswer(wire);
        if (status !== 413) throw new Fault(`status ${status} for a body of ${length} bytes`);
        for (let more = context.random.below(20); more > 0; more--) {
          await write(wire, "x".repeat(10_000));
        }
        return 1;
      });
    },
  },
];
