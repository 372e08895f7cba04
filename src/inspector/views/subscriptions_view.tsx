/** The subscriptions, and one of them. */
import { useState } from "preact/hooks";
import {
  listSubscriptions,
  readSubscription,
  removeSubscriptionAction,
  type SubscriptionDetail,
  type SubscriptionEntry,
} from "../api/subscriptions.ts";
import { perform } from "../api/streams.ts";
import { session } from "../api/request.ts";
import { ConfirmDialog } from "../components/confirm_dialog.tsx";
import { CurlButton } from "../components/copy_button.tsx";
import { Icon } from "../components/icon.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { OffsetText } from "../components/offset_text.tsx";
import { Link, StreamLink } from "../components/path.tsx";
import { Facts } from "../components/facts.tsx";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatSpan,
  formatTime,
  positionOf,
} from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { usePolled } from "../polling.ts";
import { navigate } from "../router.ts";

export function SubscriptionsView() {
  const { value, error } = usePolled("subscriptions", listSubscriptions, 2000);
  return (
    <main class="view">
      <header class="view-head">
        <h1>Subscriptions</h1>
        {value !== null && (
          <p class="sub">
            {value.next_after === null ? "" : "the first "}
            {formatCount(value.subscriptions.length)}
          </p>
        )}
      </header>
      <div class="scroll" tabIndex={0}>
        {value === null
          ? error === null ? <Notice title="Loading" /> : <ErrorNotice error={error} />
          : value.subscriptions.length === 0
          ? (
            <Notice title="No subscriptions yet">
              <p>
                A subscription wakes a webhook or a worker when streams get new messages.
              </p>
            </Notice>
          )
          : <Table list={value.subscriptions} />}
      </div>
    </main>
  );
}

function Table({ list }: { readonly list: readonly SubscriptionEntry[] }) {
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Subscription</th>
          <th>State</th>
          <th class="wide-only">Pattern</th>
          <th class="number">Streams</th>
          <th class="number">Failures</th>
          <th class="wide-only">Next attempt</th>
        </tr>
      </thead>
      <tbody>
        {list.map((entry) => (
          <tr key={entry.id}>
            <td>
              <Link
                to={{ view: "subscription", id: entry.id }}
                class="stream-link"
              >
                <bdi dir="ltr">{visibleText(entry.id)}</bdi>
              </Link>
              <span class="dim">{visibleText(entry.type)}</span>
            </td>
            <td>
              <State entry={entry} />
            </td>
            <td class="wide-only mono">{visibleText(entry.pattern ?? "–")}</td>
            <td class="number">{formatCount(entry.streams)}</td>
            <td class="number">{formatCount(entry.failures)}</td>
            <td class="wide-only">{nextOf(entry)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function State(
  { entry: { state, failures } }: { readonly entry: SubscriptionEntry },
) {
  const bad = failures > 0;
  return <span class={bad ? "badge bad" : "badge"}>{visibleText(state, 40)}</span>;
}

/** `in 12 s`, or when the lease ends. */
function nextOf(
  { next_attempt_at: next, lease_expires_at: lease }: SubscriptionEntry,
): string {
  const attempt = timeLeft(next);
  if (attempt !== null) return attempt;
  const left = timeLeft(lease);
  return left === null ? "–" : `lease ends ${left}`;
}

function timeLeft(time: string | null): string | null {
  if (time === null) return null;
  return `in ${formatSpan(Math.max(0, (Date.parse(time) - Date.now()) / 1000))}`;
}

export function SubscriptionView({ id }: { readonly id: string }) {
  const { value, error } = usePolled(
    `subscription ${id}`,
    (signal) => readSubscription(id, signal),
    2000,
  );
  const list = usePolled("subscriptions", listSubscriptions, 2000);
  const entry = list.value?.subscriptions.find((other) => other.id === id);
  const [asking, setAsking] = useState(false);
  const remove = async () => {
    await perform(removeSubscriptionAction(id));
    navigate({ view: "subscriptions" });
  };
  return (
    <main class="view">
      <header class="view-head">
        <nav class="crumbs" aria-label="Path">
          <Link to={{ view: "subscriptions" }}>Subscriptions</Link>
        </nav>
        <h1>
          <bdi dir="ltr">{visibleText(id)}</bdi>
        </h1>
        <div class="actions">
          <CurlButton
            action={() => ({ ...removeSubscriptionAction(id), method: "GET" })}
          />
          {session.value?.mode !== "read-only" && (
            <button
              type="button"
              class="danger"
              onClick={() => setAsking(true)}
            >
              <Icon name="trash" /> Delete
            </button>
          )}
        </div>
      </header>
      <div class="scroll padded" tabIndex={0}>
        {value === null
          ? error === null ? <Notice title="Loading" /> : <ErrorNotice error={error} />
          : <Detail value={value} entry={entry} />}
      </div>
      {asking && (
        <ConfirmDialog
          title="Delete this subscription?"
          verb="Delete"
          action={removeSubscriptionAction(id)}
          onConfirm={remove}
          onClose={() => setAsking(false)}
        >
          <p>Nothing is woken by it any more. Its streams stay.</p>
        </ConfirmDialog>
      )}
    </main>
  );
}

function Detail({ value, entry }: {
  readonly value: SubscriptionDetail;
  readonly entry: SubscriptionEntry | undefined;
}) {
  return (
    <>
      <Facts
        facts={{
          Type: value.type,
          Pattern: value.pattern,
          Webhook: value.webhook?.url,
          "Wake stream": value.wake_stream,
          Lease: value.lease_ttl_ms === undefined ? null : `${value.lease_ttl_ms / 1000} s`,
          State: entry?.state ?? value.status,
          Failures: entry === undefined ? null : formatCount(entry.failures),
          "Next attempt": entry === undefined
            ? null
            : timeLeft(entry.next_attempt_at) ?? "none due",
          "Lease ends": entry === undefined
            ? null
            : timeLeft(entry.lease_expires_at) ?? "nobody holds the wake",
          Created: formatTime(value.created_at),
          Age: formatAge(value.created_at, Date.now()),
          Description: value.description,
        }}
      />
      <h2 class="section">Streams</h2>
      <table class="table">
        <thead>
          <tr>
            <th>Stream</th>
            <th class="number">Acked</th>
            <th class="number">Lag</th>
          </tr>
        </thead>
        <tbody>
          {(value.streams ?? []).slice(0, 500).map((stream) => (
            <tr key={stream.path}>
              <td>
                <StreamLink path={stream.path} />
              </td>
              <td class="number">
                <OffsetText offset={stream.acked_offset} />
              </td>
              <td class="number">
                {lagOf(stream.acked_offset, stream.next_offset)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** How many bytes a subscription has not acked yet. */
export function lagOf(acked: string, next: string | undefined): string {
  if (next === undefined) return "–";
  const start = acked === "-1" ? 0 : positionOf(acked);
  const lag = positionOf(next) - start;
  return Number.isNaN(lag) ? "–" : lag <= 0 ? "none" : formatBytes(lag);
}
