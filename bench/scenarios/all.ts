/** Every scenario, in the order they are measured in. */
import { appendLatency } from "./append_latency.ts";
import { appends, largeAppendCounts, longAppends } from "./appends.ts";
import { catchUps } from "./catch_up.ts";
import { creates, largeCreates } from "./creates.ts";
import { fanOut } from "./fan_out.ts";
import { horizons } from "./horizon.ts";
import { idleFollowers } from "./idle_followers.ts";
import { largeAppends } from "./large_appends.ts";
import { longPolls } from "./long_poll.ts";
import { peers } from "./peers.ts";
import { producers } from "./producers.ts";
import { reads } from "./reads.ts";
import type { Effort, Scenario } from "./scenario.ts";
import { smallAppends } from "./small_appends.ts";
import { starts } from "./starts.ts";
import { upstreamClient } from "./upstream_client.ts";

export function scenarios(effort: Pick<Effort, "quick" | "large">): readonly Scenario[] {
  return [
    ...appends,
    ...effort.quick ? [] : longAppends,
    ...effort.large ? largeAppendCounts : [],
    ...producers,
    ...appendLatency,
    ...reads,
    ...catchUps,
    ...largeAppends,
    ...fanOut,
    ...idleFollowers,
    ...longPolls,
    ...creates,
    ...effort.large ? largeCreates : [],
    ...starts,
    ...upstreamClient,
    ...peers,
    ...horizons,
    ...smallAppends,
  ];
}

/** Those whose id begins with one of the words, a word at a time; else all that need no name. */
export function selected(all: readonly Scenario[], only: readonly string[]): readonly Scenario[] {
  if (only.length === 0) return all.filter(({ onlyNamed }) => onlyNamed !== true);
  const known = (word: string) => ({ id }: Scenario) => id === word || id.startsWith(`${word}-`);
  for (const word of only) {
    if (!all.some(known(word))) {
      const ids = all.map(({ id }) => id).join(", ");
      throw new Error(`--only ${word}: no such scenario; there are ${ids}`);
    }
  }
  return all.filter((scenario) => only.some((word) => known(word)(scenario)));
}
