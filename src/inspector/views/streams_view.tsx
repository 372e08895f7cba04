/** The streams: filtered by prefix and labels, 100,000 of them without a stutter. */
import type { RefObject } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { maySome } from "../api/permissions.ts";
import type { StreamEntry } from "../api/streams.ts";
import { Icon } from "../components/icon.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { Label, Link, PathText } from "../components/path.tsx";
import { VirtualList } from "../components/virtual_list.tsx";
import { formatAge, formatBytes, formatCount, formatSpan } from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { hrefOf, navigate, streamsWith } from "../router.ts";
import { useShortcuts } from "../shortcuts.ts";
import { StreamList } from "../stream_list.ts";
import { CreateDialog } from "./create_dialog.tsx";

const ROW = 38;
const PHONE_ROW = 56;
const REFRESH_MS = 2000;
const TYPING_MS = 200;

export interface StreamsViewProps {
  readonly prefix: string;
  readonly labels: readonly string[];
}

export function StreamsView({ prefix, labels }: StreamsViewProps) {
  const key = JSON.stringify([prefix, labels]);
  const list = useMemo(() => new StreamList({ prefix, labels }), [key]);
  useEffect(() => () => list.dispose(), [list]);
  const [creating, setCreating] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useShortcuts({
    "/": () => search.current?.focus(),
    n: () => maySome("create") && setCreating(true),
  });
  return (
    <main class="view">
      <header class="view-head">
        <h1>Streams</h1>
        <Summary list={list} />
        <div class="actions">
          {maySome("create") && (
            <button
              type="button"
              class="primary"
              onClick={() => setCreating(true)}
            >
              <Icon name="plus" /> New stream
            </button>
          )}
        </div>
      </header>
      <FilterBar prefix={prefix} labels={labels} search={search} />
      <Rows key={key} list={list} labels={labels} prefix={prefix} />
      {creating && (
        <CreateDialog
          prefix={prefix}
          onClose={() => setCreating(false)}
        />
      )}
    </main>
  );
}

function Summary({ list }: { readonly list: StreamList }) {
  const usage = list.usage.value;
  const loaded = list.rows.value.length;
  if (usage === null) {
    return (
      <p class="sub" data-loaded={loaded}>
        {formatCount(loaded)}
        {!list.complete.value && "+"}
      </p>
    );
  }
  return (
    <p class="sub" data-loaded={loaded}>
      {usage.estimated && "about "}
      {formatCount(usage.streams)} · {formatBytes(usage.bytes)}
    </p>
  );
}

function FilterBar({ prefix, labels, search }: StreamsViewProps & {
  readonly search: RefObject<HTMLInputElement | null>;
}) {
  const [text, setText] = useState(prefix);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (document.activeElement !== search.current) setText(prefix);
  }, [prefix]);
  const type = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    // `team:search` and a space make a filter by label, all else is a prefix.
    const label = /^([a-z0-9-]{1,64}):(\S+) $/.exec(value);
    if (label !== null) {
      setText("");
      return navigate(streamsWith("", [...labels, `${label[1]}:${label[2]}`]));
    }
    timer.current = setTimeout(
      () => navigate(streamsWith(value, labels), { replace: true }),
      TYPING_MS,
    );
  };
  return (
    <div class="filter-bar">
      <label class="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          placeholder="Prefix, or label:value and a space"
          aria-label="Filter by prefix or label"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => type(event.currentTarget.value)}
        />
        <kbd>/</kbd>
      </label>
      {labels.map((label) => (
        <button
          key={label}
          type="button"
          class="chip"
          aria-label={`Remove the filter ${visibleText(label)}`}
          onClick={() =>
            navigate(
              streamsWith(prefix, labels.filter((other) => other !== label)),
            )}
        >
          <bdi dir="ltr">{visibleText(label, 60)}</bdi> <Icon name="close" />
        </button>
      ))}
    </div>
  );
}

function Rows(
  { list, labels, prefix }: StreamsViewProps & { readonly list: StreamList },
) {
  const rows = list.rows.value;
  const [selected, setSelected] = useState<number | null>(null);
  const range = useRef({ start: 0, end: 50 });
  const narrow = useNarrow();
  useEffect(() => {
    const timer = setInterval(() => {
      if (
        document.hidden || list.loading.value || list.rows.value.length === 0
      ) return;
      void list.refresh(range.current.start, range.current.end);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [list]);
  const step = (by: number) => {
    setSelected((now) => Math.max(0, Math.min(rows.length - 1, (now ?? -1) + by)));
  };
  const open = () => {
    const entry = selected === null ? undefined : rows[selected];
    if (entry !== undefined) navigate({ view: "stream", path: entry.path });
  };
  useShortcuts({
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    Enter: open,
    o: open,
    Escape: () => navigate(streamsWith("")),
  });
  const error = list.error.value;
  if (rows.length === 0) {
    if (error !== null) return <ErrorNotice error={error} />;
    if (!list.complete.value) return <Notice title="Loading" />;
    return prefix === "" && labels.length === 0
      ? <FirstStream />
      : <Notice title="No stream has this name" />;
  }
  return (
    <>
      <div class="stream-grid grid-head" aria-hidden="true">
        <span>Stream</span>
        <span class="number">Size</span>
        <span class="number">Rate</span>
        <span class="number">Followers</span>
        <span class="number">Last append</span>
        <span class="number">Age</span>
      </div>
      <VirtualList
        label="Streams"
        class="streams"
        count={rows.length}
        rowHeight={narrow ? PHONE_ROW : ROW}
        reveal={selected}
        onRange={(start, end) => {
          range.current = { start, end };
          if (end > rows.length - 300) void list.more();
        }}
        row={(index) => (
          <StreamRow
            key={rows[index]!.path}
            entry={rows[index]!}
            rate={list.rates.value.get(rows[index]!.path)}
            selected={index === selected}
          />
        )}
      />
    </>
  );
}

function StreamRow({ entry, rate, selected }: {
  readonly entry: StreamEntry;
  readonly rate: number | undefined;
  readonly selected: boolean;
}) {
  const { path } = entry;
  const now = Date.now();
  const labels = Object.entries(entry.labels ?? {});
  return (
    <div role="listitem" class="stream-item">
      <Link
        to={{ view: "stream", path }}
        class={selected ? "stream-grid stream-row selected" : "stream-grid stream-row"}
        title={visibleText(path)}
      >
        <span class="stream-name">
          <PathText path={path} />
          <Badges entry={entry} />
          {labels.slice(0, 3).map(([name, value]) => (
            <Label
              key={name}
              name={name}
              value={value}
            />
          ))}
        </span>
        <span class="number size">{formatBytes(entry.bytes)}</span>
        <span class={rate !== undefined && rate > 0 ? "number rate" : "number rate none"}>
          {rate !== undefined && rate > 0 ? `${formatBytes(rate)}/s` : "–"}
        </span>
        <span class={entry.followers > 0 ? "number followers" : "number followers none"}>
          {entry.followers > 0 ? formatCount(entry.followers) : "–"}
        </span>
        <span class="number age">{formatAge(entry.last_append_at, now)}</span>
        <span class="number created">{formatAge(entry.created_at, now)}</span>
      </Link>
    </div>
  );
}

export function Badges({ entry }: { readonly entry: StreamEntry }) {
  const { retention } = entry;
  return (
    <>
      {entry.closed && (
        <span class="badge">
          <Icon name="lock" />closed
        </span>
      )}
      {entry.forked_from !== null && (
        <span class="badge" title="A fork">
          <Icon name="fork" />fork
        </span>
      )}
      {entry.forks > 0 && (
        <span class="badge" title={`${entry.forks} forks`}>
          <Icon name="fork" />
          {entry.forks}
        </span>
      )}
      {entry.ttl_seconds !== null && (
        <span class="badge" title="TTL">
          <Icon name="clock" />
          {formatSpan(entry.ttl_seconds)}
        </span>
      )}
      {retention !== null && retention !== undefined && (
        <span class="badge" title="Retention">
          <Icon name="scissors" />
          {[
            retention.age_seconds === null ? null : formatSpan(retention.age_seconds),
            retention.bytes === null ? null : formatBytes(retention.bytes),
          ].filter(Boolean).join(", ")}
        </span>
      )}
    </>
  );
}

function FirstStream() {
  const url = new URL("../v1/stream/hello", document.baseURI).href;
  return (
    <Notice title="No streams yet">
      <p>A stream begins with a PUT. Make one here, or from a shell:</p>
      <pre class="sample">{`curl -X PUT -H 'Content-Type: text/plain' -d 'hello' ${url}`}</pre>
      <p>
        <a href={hrefOf({ view: "stream", path: "hello" })}>
          Then follow it here
        </a>
      </p>
    </Notice>
  );
}

/** Whether the page has a phone's width. */
export function useNarrow(): boolean {
  const query = useMemo(() => matchMedia("(max-width: 720px)"), []);
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = () => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return narrow;
}
