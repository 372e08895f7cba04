/** Beside a stream's messages: its facts, its place among forks, producers and subscriptions. */
import type { Producer, StreamDetail, StreamSubscription } from "../api/streams.ts";
import { Facts } from "../components/facts.tsx";
import { ForkTree } from "../components/fork_tree.tsx";
import { OffsetText } from "../components/offset_text.tsx";
import { Label, Link } from "../components/path.tsx";
import { formatAge, formatBytes, formatCount, formatSpan, formatTime } from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { streamsWith } from "../router.ts";
import { lagOf } from "./subscriptions_view.tsx";

export function StreamDetails({ detail }: { readonly detail: StreamDetail }) {
  const { retention } = detail;
  const labels = Object.entries(detail.labels ?? {});
  const isForked = detail.forked_from !== null || detail.forks > 0;
  return (
    <aside class="details" aria-label="Details" tabIndex={0}>
      <Facts
        facts={{
          Size: formatBytes(detail.bytes),
          Messages: detail.messages === null ? null : formatCount(detail.messages),
          Followers: <span title="On this node">{formatCount(detail.followers)}</span>,
          "Last append": detail.last_append_at && <Moment time={detail.last_append_at} />,
          Created: detail.created_at && <Moment time={detail.created_at} />,
          TTL: detail.ttl_seconds === null ? null : formatSpan(detail.ttl_seconds),
          Expires: formatTime(detail.expires_at),
          "Keeps for": retention?.age_seconds ? formatSpan(retention.age_seconds) : null,
          "Keeps at most": retention?.bytes ? formatBytes(retention.bytes) : null,
          Begins: <OffsetText offset={detail.earliest_offset} />,
          Ends: <OffsetText offset={detail.next_offset} />,
        }}
      />
      {labels.length > 0 && (
        <section>
          <h2>Labels</h2>
          <p class="labels">
            {labels.map(([name, value]) => (
              <Link key={name} to={streamsWith("", [`${name}:${value}`])}>
                <Label name={name} value={value} />
              </Link>
            ))}
          </p>
        </section>
      )}
      {isForked && (
        <section>
          <h2>Forks</h2>
          <ForkTree entry={detail} forks={detail.fork_paths} />
        </section>
      )}
      <Producers list={detail.producers} total={detail.producers_total} />
      <StreamSubscriptions
        list={detail.subscriptions}
        next={detail.next_offset}
      />
    </aside>
  );
}

/** How long ago; the time itself where the pointer rests. */
function Moment({ time }: { readonly time: string }) {
  const age = formatAge(time, Date.now());
  return (
    <time dateTime={time} title={formatTime(time)}>
      {formatTime(time).slice(5)} <span class="dim">{age === "now" ? age : `${age} ago`}</span>
    </time>
  );
}

function Producers(
  { list, total }: {
    readonly list: readonly Producer[];
    readonly total: number;
  },
) {
  return (
    <section>
      <h2>
        Producers <span class="count">{formatCount(total)}</span>
      </h2>
      {list.length === 0
        ? <p class="dim">None: nobody appends with a producer id.</p>
        : (
          <table class="table tight">
            <thead>
              <tr>
                <th>Id</th>
                <th class="number">Epoch</th>
                <th class="number">Seq</th>
                <th class="number">Last</th>
              </tr>
            </thead>
            <tbody>
              {list.map(({ id, epoch, seq, last_append_at: last }) => (
                <tr key={id}>
                  <td class="clip">
                    <bdi dir="ltr" title={visibleText(id)}>
                      {visibleText(id, 80)}
                    </bdi>
                  </td>
                  <td class="number">{formatCount(epoch)}</td>
                  <td class="number">{formatCount(seq)}</td>
                  <td class="number">{formatAge(last, Date.now())}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
    </section>
  );
}

function StreamSubscriptions({ list, next }: {
  readonly list: readonly StreamSubscription[];
  readonly next: string;
}) {
  return (
    <section>
      <h2>
        Subscriptions <span class="count">{formatCount(list.length)}</span>
      </h2>
      {list.length === 0
        ? <p class="dim">None: nothing is woken by this stream.</p>
        : (
          <table class="table tight">
            <thead>
              <tr>
                <th>Id</th>
                <th>Type</th>
                <th class="number">Lag</th>
              </tr>
            </thead>
            <tbody>
              {list.map(({ id, type, acked_offset: acked }) => (
                <tr key={id}>
                  <td class="clip">
                    <Link to={{ view: "subscription", id }}>
                      <bdi dir="ltr">{visibleText(id, 80)}</bdi>
                    </Link>
                  </td>
                  <td>{visibleText(type)}</td>
                  <td class="number">{lagOf(acked, next)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
    </section>
  );
}
