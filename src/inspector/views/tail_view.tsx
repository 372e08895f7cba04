/** What is in a stream, as it comes: its rows, and the one that is selected in full. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { may } from "../api/permissions.ts";
import type { TailStart } from "../api/tail_reader.ts";
import type { StreamDetail, StreamHead } from "../api/streams.ts";
import { Notice } from "../components/notice.tsx";
import { VirtualList } from "../components/virtual_list.tsx";
import {
  ByteContent,
  type Format,
  formatOf,
  hexOf,
  MessageContent,
  type Row,
} from "../model/content.ts";
import { formatClock } from "../model/format.ts";
import { tokensOf } from "../model/json_messages.ts";
import { visibleText } from "../model/visible_text.ts";
import { useShortcuts } from "../shortcuts.ts";
import { Tail } from "../tail.ts";
import { Composer } from "./composer.tsx";
import { MessagePane } from "./message_pane.tsx";
import { TailToolbar } from "./tail_toolbar.tsx";

const ROW = 24;
const LAST_MESSAGES = 200;
const LAST_BYTES = 64 << 10;
/** Pixels of a character of the fixed-width font, about. */
const CHARACTER = 7.55;
const NARROW = 500;

export function TailView({ path, head, detail, onChange }: {
  readonly path: string;
  readonly head: StreamHead;
  readonly detail: StreamDetail | null;
  readonly onChange: () => void;
}) {
  const [start, setStart] = useState<TailStart>(() => lastOf(head.contentType));
  const tail = useMemo(() => new Tail(path, head.contentType, start), [
    path,
    head.contentType,
    start,
  ]);
  useEffect(() => () => tail.stop(), [tail]);
  const [format, setFormat] = useState<Format>(tail.format);
  const [follow, setFollow] = useState(true);
  const [selected, setSelected] = useState<number | null>(null);
  const restart = (to: TailStart) => {
    setSelected(null);
    setFollow(true);
    setStart(to);
  };
  const paused = tail.state.value.kind === "paused";
  const toggle = () => paused ? tail.resume() : tail.pause();
  const rows = useRows(tail, format);
  const step = (by: number) => {
    setFollow(false);
    setSelected((now) => {
      const index = now === null ? rows.count - 1 : now - rows.first + by;
      return rows.first + Math.max(0, Math.min(rows.count - 1, index));
    });
  };
  useShortcuts({
    " ": toggle,
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    G: () => setFollow(true),
    ...selected === null ? {} : { Escape: () => setSelected(null) },
  });
  const row = selected === null ? undefined : rows.at(selected - rows.first);
  return (
    <section class="tail" aria-label="Messages">
      <TailToolbar
        tail={tail}
        format={format}
        follow={follow}
        nextOffset={head.nextOffset}
        earliest={detail?.earliest_offset ?? "-1"}
        start={start}
        contentType={head.contentType}
        onFormat={setFormat}
        onStart={restart}
        onToggle={toggle}
        onFollow={() => setFollow(true)}
      />
      <Rows
        rows={rows}
        format={format}
        tail={tail}
        follow={follow && !paused}
        selected={selected}
        onFollow={setFollow}
        onSelect={(number) => {
          setFollow(false);
          setSelected(number === selected ? null : number);
        }}
      />
      {row !== undefined && (
        <MessagePane
          row={row}
          json={format === "messages"}
          onClose={() => setSelected(null)}
        />
      )}
      {!head.closed && may("append", path) && (
        <Composer
          path={path}
          contentType={head.contentType}
          onAppended={onChange}
        />
      )}
    </section>
  );
}

export function lastOf(contentType: string): TailStart {
  const count = formatOf(contentType) === "messages" ? LAST_MESSAGES : LAST_BYTES;
  return { kind: "last", count };
}

/** Rows of what has been read, whichever way they are shown. */
interface RowsOf {
  readonly first: number;
  readonly count: number;
  at(index: number): Row | undefined;
}

function useRows(tail: Tail, format: Format): RowsOf {
  // Reading it makes the component one that is drawn again when it changes.
  void tail.revision.value;
  const { content } = tail;
  if (content instanceof MessageContent) {
    const { rows } = content;
    return {
      first: rows.first,
      count: rows.length,
      at: (index) => rows.at(index),
    };
  }
  if (format === "text") {
    const { lines } = content;
    return {
      first: lines.first,
      count: lines.length,
      at: (index) => lines.at(index),
    };
  }
  return {
    first: Math.floor(content.dropped / 16),
    count: content.hexRows,
    at: () => undefined,
  };
}

function Rows({ rows, format, tail, follow, selected, onFollow, onSelect }: {
  readonly rows: RowsOf;
  readonly format: Format;
  readonly tail: Tail;
  readonly follow: boolean;
  readonly selected: number | null;
  readonly onFollow: (follow: boolean) => void;
  readonly onSelect: (number: number) => void;
}) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { content } = tail;
    if (!(content instanceof ByteContent)) return;
    const observer = new ResizeObserver(([entry]) => {
      const { width } = entry!.contentRect;
      // A phone shows no times beside text: phone.css.
      const beside = width > NARROW ? 140 : 32;
      content.setColumns(Math.max(30, Math.floor((width - beside) / CHARACTER)));
      tail.revision.value++;
    });
    observer.observe(host.current!);
    return () => observer.disconnect();
  }, [tail]);
  const { kind } = tail.state.value;
  return (
    <div class="tail-rows" ref={host}>
      {tail.loadingEarlier.value && <p class="earlier" role="status">Reading what came before</p>}
      {rows.count === 0 && (kind === "live" || kind === "closed") && (
        <Notice
          title={kind === "closed" ? "This stream ended empty" : "Nothing yet"}
        >
          <p>{kind === "live" && "What is appended appears here at once."}</p>
          {tail.hasEarlier && (
            <button type="button" onClick={() => void tail.loadEarlier()}>
              Show what came before
            </button>
          )}
        </Notice>
      )}
      <VirtualList
        label="Content"
        class={`content ${format}${tail.counts.value.live > 0 ? " timed" : ""}`}
        count={rows.count}
        first={rows.first}
        rowHeight={ROW}
        follow={follow}
        reveal={follow || selected === null ? null : selected - rows.first}
        onFollow={onFollow}
        onStart={() => void tail.loadEarlier()}
        row={(index) => {
          const number = rows.first + index;
          if (format === "hex" && tail.content instanceof ByteContent) {
            return <HexRow key={number} content={tail.content} index={index} />;
          }
          return (
            <ContentRow
              key={number}
              row={rows.at(index)!}
              json={format === "messages"}
              selected={number === selected}
              onSelect={() => onSelect(number)}
            />
          );
        }}
      />
    </div>
  );
}

function ContentRow({ row, json, selected, onSelect }: {
  readonly row: Row;
  readonly json: boolean;
  readonly selected: boolean;
  readonly onSelect: () => void;
}) {
  const text = visibleText(row.text, 400);
  return (
    <div
      role="listitem"
      class={selected ? "row selected" : "row"}
      onClick={onSelect}
    >
      <time class="row-time">
        {row.receivedAt === null ? "" : formatClock(row.receivedAt)}
      </time>
      <bdi class="row-text" dir="ltr">
        {json
          ? tokensOf(text).map(({ kind, text }, at) => <span key={at} class={kind}>{text}</span>)
          : text}
      </bdi>
    </div>
  );
}

function HexRow(
  { content, index }: { readonly content: ByteContent; readonly index: number },
) {
  const { digits, text } = hexOf(content.hexRow(index));
  const offset = (content.origin + content.dropped + index * 16).toString(16).padStart(8, "0");
  return (
    <div role="listitem" class="row hex-row">
      <span class="row-time">{offset}</span>
      <span class="row-text">{digits}</span>
      <span class="hex-text">{text}</span>
    </div>
  );
}
