/** Bodies whose length is a lie, a contradiction, or nonsense. */
import {
  type Abuse,
  appendHead,
  check,
  Fault,
  mustAnswer,
  PIPELINED,
  sayAndFinish,
  SMUGGLED,
  UNTOUCHED,
  withWire,
  write,
} from "../abuse.ts";

const INNER = `PUT ${SMUGGLED} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`;

const BROKEN_CHUNKS = [
  "zz\r\nhello\r\n0\r\n\r\n",
  "-5\r\nhello\r\n0\r\n\r\n",
  "5\nhello\r\n0\r\n\r\n",
  "5\r\nhelloo\r\n0\r\n\r\n",
  "5\r\nhel\r\n0\r\n\r\n",
  "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  "7fffffffffffffff\r\nhello",
  "\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5\0\r\nhello\r\n0\r\n\r\n",
  "5\r\nhello\r\n",
  "5;x\r\nhello\r\n0\n\n",
];

/** The body is whole; what ends it is not. Hyper is strict about one, Bun about another. */
const LOOSE_ENDS = [
  " 6\r\nwhole;\r\n0\r\n\r\n",
  "6 \r\nwhole;\r\n0\r\n\r\n",
  "6\r\nwhole;\r\n0\r\n",
  "6\r\nwhole;\r\n0\r\n\r",
  "6\r\nwhole;\r\n0\r\nX\r\n\r\n",
];

const CONTRADICTIONS = [
  "Content-Length: 5\r\nContent-Length: 6\r\n",
  "Content-Length: 5, 6\r\n",
  "Content-Length: -5\r\n",
  "Content-Length: +5\r\n",
  "Content-Length: 5x\r\n",
  "Content-Length: 0x5\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Transfer-Encoding: gzip\r\n",
  "Transfer-Encoding: chunked, gzip\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: xchunked\r\n",
  "Transfer-Encoding : chunked\r\n",
  "Transfer-Encoding:\x0bchunked\r\n",
];

export const FRAMING_ABUSES: readonly Abuse[] = [
  {
    name: "broken chunking",
    weight: 6,
    async run(context) {
      const chunks = context.random.pick(BROKEN_CHUNKS);
      const head = appendHead(UNTOUCHED, "Transfer-Encoding: chunked\r\n");
      const answers = await sayAndFinish(context, head + chunks);
      if (answers.some(({ status }) => status < 300)) throw new Fault("taken as whole");
      return 1;
    },
  },
  {
    name: "chunks with loose ends",
    weight: 2,
    async run(context) {
      const head = appendHead(PIPELINED, "Transfer-Encoding: chunked\r\n");
      await sayAndFinish(context, head + context.random.pick(LOOSE_ENDS));
      return 1;
    },
  },
  {
    name: "lengths that contradict themselves",
    weight: 6,
    async run(context) {
      const framing = context.random.pick(CONTRADICTIONS);
      const body = framing.includes("chunked") ? "5\r\nhello\r\n0\r\n\r\n" : "hello";
      const answers = await sayAndFinish(context, appendHead(UNTOUCHED, framing) + body);
      if (answers[0] !== undefined && answers[0].status < 300) throw new Fault("taken as whole");
      return 1;
    },
  },
  {
    name: "Content-Length and Transfer-Encoding together, a request hidden in the body",
    weight: 4,
    async run(context) {
      const length = `Content-Length: ${INNER.length + 5}\r\n`;
      const chunked = "Transfer-Encoding: chunked\r\n";
      const framing = context.random.chance(0.5) ? length + chunked : chunked + length;
      const nowhere = "/v1/stream/not-there";
      await sayAndFinish(context, appendHead(nowhere, framing) + "0\r\n\r\n" + INNER);
      return 2;
    },
  },
  {
    name: "a request hidden behind a declared body",
    weight: 3,
    async run(context) {
      const framing = `Content-Length: ${INNER.length}\r\n`;
      return await withWire(context, async (wire) => {
        await write(wire, appendHead("/v1/stream/not-there", framing) + INNER);
        const { status } = await mustAnswer(wire);
        if (status !== 404) throw new Fault(`status ${status} for an append to nowhere`);
        return 1;
      });
    },
  },
  {
    name: "pipelined appends",
    weight: 5,
    async run(context) {
      const count = 2 + context.random.below(12);
      return await withWire(context, async (wire) => {
        const one = appendHead(PIPELINED, "Content-Length: 6\r\n") + "whole;";
        await write(wire, one.repeat(count));
        let last = "";
        for (let left = count; left > 0; left--) {
          const reply = await wire.read();
          if (reply.kind === "closed" && !context.pipelines) return count;
          if (reply.kind !== "answer") throw new Fault(`${reply.kind} in place of an answer`);
          check(reply.answer, "POST", true);
          const { status, headers } = reply.answer;
          if (status !== 204) throw new Fault(`status ${status} for a pipelined append`);
          const offset = headers.get("stream-next-offset") ?? "";
          if (offset <= last) throw new Fault(`offset ${offset} after ${last}`);
          last = offset;
        }
        return count;
      });
    },
  },
  {
    name: "pipelined appends, one of them broken",
    weight: 3,
    async run(context) {
      const whole = appendHead(PIPELINED, "Content-Length: 6\r\n") + "whole;";
      const broken = appendHead(UNTOUCHED, "Transfer-Encoding: chunked\r\n") +
        context.random.pick(BROKEN_CHUNKS);
      await sayAndFinish(context, whole.repeat(context.random.below(4)) + broken + whole);
      return 3;
    },
  },
  {
    name: "a chunk a byte, with extensions and trailers",
    weight: 3,
    async run(context) {
      const chunks = [..."whole;"].map((byte) => `1;name="value"\r\n${byte}\r\n`).join("");
      return await withWire(context, async (wire) => {
        const head = appendHead(PIPELINED, "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n");
        await write(wire, head + chunks + "0\r\nX-A: b\r\n\r\n");
        await mustAnswer(wire, { ours: false });
        return 1;
      });
    },
  },
];
