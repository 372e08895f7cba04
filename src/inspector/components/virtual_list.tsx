/**
 * A list of which only the rows in sight are in the document, each of the same height. Rows may be
 * taken away or added in front: what is in sight stays where it is.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface VirtualListProps {
  readonly count: number;
  readonly rowHeight: number;
  /** The number of the first row. It changes with what is taken away or added in front. */
  readonly first?: number;
  /** Whether the end stays in sight while rows are added. */
  readonly follow?: boolean;
  readonly label: string;
  readonly class?: string;
  readonly role?: "list" | "log" | "listbox";
  /** The row that is to be in sight. */
  readonly reveal?: number | null;
  row(index: number): ComponentChildren;
  /** The rows in sight have changed. */
  onRange?(start: number, end: number): void;
  /** A person scrolled: to the end, or away from it. */
  onFollow?(atEnd: boolean): void;
  onStart?(): void;
}

const OVERSCAN = 8;
/** Chromium and Firefox draw nothing beyond some ten million pixels. */
const TALLEST = 8_000_000;

export function VirtualList(props: VirtualListProps) {
  const { count, rowHeight, first = 0, follow = false, reveal = null } = props;
  const element = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ top: 0, height: 600 });
  const lastFirst = useRef(first);
  const height = Math.min(TALLEST, count * rowHeight);

  const start = Math.max(0, Math.floor(place.top / rowHeight) - OVERSCAN);
  const end = Math.min(
    count,
    Math.ceil((place.top + place.height) / rowHeight) + OVERSCAN,
  );

  useLayoutEffect(() => {
    const list = element.current!;
    const shift = lastFirst.current - first;
    lastFirst.current = first;
    if (follow) list.scrollTop = list.scrollHeight;
    else if (shift !== 0) list.scrollTop += shift * rowHeight;
  }, [count, first, follow, rowHeight]);

  useLayoutEffect(() => {
    if (reveal === null) return;
    const list = element.current!;
    const top = reveal * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = top + rowHeight - list.clientHeight;
    }
  }, [reveal, rowHeight]);

  useEffect(() => {
    const list = element.current!;
    const measure = () => setPlace({ top: list.scrollTop, height: list.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(list);
    measure();
    return () => observer.disconnect();
  }, []);

  useEffect(() => props.onRange?.(start, end), [start, end]);

  const onScroll = () => {
    const list = element.current;
    if (list === null) return;
    setPlace({ top: list.scrollTop, height: list.clientHeight });
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - rowHeight;
    props.onFollow?.(atEnd);
    if (list.scrollTop < rowHeight * 4) props.onStart?.();
  };

  const rows = [];
  for (let index = start; index < end; index++) rows.push(props.row(index));
  return (
    <div
      ref={element}
      class={`virtual-list ${props.class ?? ""}`}
      role={props.role ?? "list"}
      aria-label={props.label}
      tabIndex={0}
      onScroll={onScroll}
    >
      <div
        class="virtual-list-space"
        role="presentation"
        style={{ height: `${height}px` }}
      >
        <div
          class="virtual-list-rows"
          role="presentation"
          style={{ transform: `translateY(${start * rowHeight}px)` }}
        >
          {rows}
        </div>
      </div>
    </div>
  );
}
