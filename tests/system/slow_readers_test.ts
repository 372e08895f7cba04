/** Readers and followers that take nothing: they cost a bounded amount, and the others nothing. */
// Runs alone: it measures the memory of a process.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { closeAll, memory, pathOf, portOf, stalledReader } from "./overload_support.ts";
import { write } from "../fuzz/abuse.ts";
import { resourcesOf } from "../fuzz/resources.ts";
import { Wire } from "../fuzz/wire.ts";
import { elapse, eventually, noise, serverForThisFile, within } from "./support.ts";

const MIB = 1 << 20;

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", {
    runtime,
    args: ["--max-buffered-bytes", "64MiB"],
  });

  Deno.test(`readers that take nothing hold no more memory than there is for pages, on ${runtime}`, async () => {
    const contentType = "application/json";
    const large = await createStream(node.url, undefined, { contentType });
    // One message: more than the network's own buffers take.
    await append(large, `"${"x".repeat(15 * MIB)}"`, { contentType });
    const url = await createStream(node.url);
    const bytes = noise(16 * MIB, 5);
    await append(url, bytes);
    await readAll(url);
    await readAll(large);
    const before = memory(node.server);
    const readers: Wire[] = [];
    try {
      for (let turn = 0; turn < 100; turn++) {
        readers.push(await stalledReader(node.server, `${pathOf(large)}?offset=-1`));
      }
      await elapse(1500, "the second that a reader is given to take something");
      // Everybody else gets everything all the same, in the place of who takes nothing.
      const { bytes: read } = await within(20_000, "a whole read", readAll(url));
      assert.equal(Buffer.compare(read, bytes), 0);
      const grown = memory(node.server) - before;
      // 100 pages of 15 MiB would be 1500 MiB; this is 32 MiB, and what the runtime sets aside.
      assert.ok(grown < 200, `${grown} MiB`);
    } finally {
      closeAll(readers);
    }
  });

  Deno.test(`followers that take nothing hold a bounded amount, and resume exactly, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    await append(url, noise(MIB, 1).map((byte) => byte & 0x3f | 0x40));
    const follow = `${pathOf(url)}?offset=-1&live=sse`;
    const stall = () =>
      Promise.all(Array.from({ length: 200 }, () => stalledReader(node.server, follow)));
    // The first round is what the runtime sets aside for so many connections at all.
    closeAll(await stall());
    await eventually(10_000, "no followers", () => append(url, "-").then(() => true));
    const before = memory(node.server);
    const followers = await stall();
    try {
      for (let turn = 0; turn < 30; turn++) {
        await append(url, noise(MIB, turn).map((byte) => byte & 0x3f | 0x40));
      }
      const grown = memory(node.server) - before;
      // 200 followers with 30 MiB each would be 6000 MiB.
      assert.ok(grown < 250, `${grown} MiB`);
      const late = followers[0]!;
      late.resume();
      const { nextOffset } = await readAll(url);
      await eventually(
        20_000,
        "everything, though late",
        () => Buffer.from(late.pending.slice(-400)).includes(nextOffset) || undefined,
      );
    } finally {
      closeAll(followers);
    }
  });

  Deno.test(`a flood of connections costs little, and leaves nothing, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const before = memory(node.server);
    const { sockets } = resourcesOf(node.server.process.pid!);
    const begun = ["", "GET", `GET ${pathOf(url)} HTTP/1.1\r\nHost: x\r\n`];
    const wires = await Promise.all(Array.from({ length: 2000 }, async (_, at) => {
      const wire = await Wire.open(portOf(node.server));
      await write(wire, begun[at % begun.length]!);
      return wire;
    }));
    try {
      await within(2000, "an append", append(url, "x"));
      const grown = memory(node.server) - before;
      assert.ok(grown < 150, `${grown} MiB for 2000 connections`);
    } finally {
      closeAll(wires);
    }
    // Bun overlooks that some have gone, and closes them when 12 s have brought no request.
    await eventually(20_000, "no more sockets than before", () => {
      return resourcesOf(node.server.process.pid!).sockets <= sockets + 2 || undefined;
    });
  });
}
