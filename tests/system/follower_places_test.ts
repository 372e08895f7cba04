/** Followers are counted, and whoever goes away is counted no more. */
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { closeAll, expectOverloaded, pathOf, stalledReader } from "./overload_support.ts";
import { Events, eventually, noise, serverForThisFile } from "./support.ts";

const PLACES = 5;
const LARGE = 16 << 20;

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("embedded", { runtime, args: ["--max-followers", `${PLACES}`] });

  Deno.test(`followers beyond the limit get 503, and a place once somebody leaves, on ${runtime}`, async () => {
    const url = await createStream(node.url);
    const open = () => Events.open(url, "-1");
    const followers = await Promise.all(Array.from({ length: PLACES }, open));
    for (const live of ["sse", "long-poll"]) {
      await expectOverloaded(await fetch(`${url}?offset=now&live=${live}`));
    }
    await append(url, "others are served");
    assert.equal((await readAll(url)).text, "others are served");
    await followers[0]!.close();
    followers[0] = await eventually(5000, "a place", () => open().catch(() => undefined));
    for (const events of followers) await events.close();
  });

  Deno.test(`a follower that goes away gives up its place, whatever it was about, on ${runtime}`, async () => {
    const quiet = await createStream(node.url);
    const large = await createStream(node.url, undefined, { body: noise(LARGE, 3) });
    const full = async () => {
      const response = await fetch(`${quiet}?offset=now&live=sse`);
      await response.body?.cancel();
      return response.status === 503 || undefined;
    };
    const place = () => Events.open(quiet, "-1").catch(() => undefined);
    // Waiting for news; taking nothing of what there is; not even answered yet.
    for (const [url, answered] of [[quiet, true], [large, true], [quiet, false]] as const) {
      const follow = () => stalledReader(node.server, `${pathOf(url)}?offset=-1&live=sse`);
      const gone = await Promise.all(Array.from({ length: PLACES }, follow));
      if (answered) await eventually(5000, "no place", full);
      closeAll(gone);
      const next: Events[] = [];
      while (next.length < PLACES) next.push(await eventually(5000, "a place", place));
      for (const events of next) await events.close();
    }
  });
}
