/** Above the rows: whether they are live, how many there were, and where to begin. */
import { useState } from "preact/hooks";
import type { TailStart, TailState } from "../api/tail_reader.ts";
import { Icon } from "../components/icon.tsx";
import type { Format } from "../model/content.ts";
import { formatBytes, formatCompact, formatCount, positionOf } from "../model/format.ts";
import type { Tail } from "../tail.ts";

export function TailToolbar(props: {
  readonly tail: Tail;
  readonly format: Format;
  readonly follow: boolean;
  readonly nextOffset: string;
  readonly earliest: string;
  readonly start: TailStart;
  readonly contentType: string;
  readonly onFormat: (format: Format) => void;
  readonly onStart: (start: TailStart) => void;
  readonly onToggle: () => void;
  readonly onFollow: () => void;
}) {
  const { tail, format, follow, onToggle } = props;
  const { kind } = tail.state.value;
  const paused = kind === "paused";
  const formats: readonly Format[] = tail.format === "messages" ? [] : ["text", "hex"];
  return (
    <div class="toolbar">
      <Status state={tail.state.value} lag={lagOf(tail, props.nextOffset)} />
      <Counts tail={tail} />
      <span class="grow" />
      {!follow && (
        <button
          type="button"
          class="ghost"
          onClick={props.onFollow}
          title="To the end (G)"
        >
          <Icon name="down" /> Follow
        </button>
      )}
      {formats.length > 0 && (
        <span class="segmented" role="group" aria-label="Format">
          {formats.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === format}
              onClick={() => props.onFormat(name)}
            >
              {name === "hex" ? "Hex" : "Text"}
            </button>
          ))}
        </span>
      )}
      <StartMenu
        json={tail.format === "messages"}
        earliest={props.earliest}
        start={props.start}
        onStart={props.onStart}
      />
      <button
        type="button"
        class="pause"
        onClick={onToggle}
        disabled={kind === "closed"}
        title={paused ? "Resume (space)" : "Pause (space)"}
      >
        <Icon name={paused ? "play" : "pause"} /> <span>{paused ? "Resume" : "Pause"}</span>
      </button>
    </div>
  );
}

function Status(
  { state, lag }: { readonly state: TailState; readonly lag: number },
) {
  const behind = lag > 0 ? ` · ${formatBytes(lag)} behind` : "";
  const texts: Readonly<Record<TailState["kind"], string>> = {
    "catching-up": `Catching up${behind}`,
    live: `Live${behind}`,
    paused: `Paused${behind}`,
    closed: "Ended",
    retrying: state.kind === "retrying" ? `Retrying: ${state.reason}` : "",
    failed: state.kind === "failed" ? `${state.error.code}: ${state.error.message}` : "",
  };
  return (
    <span class={`status ${state.kind}`} title={texts[state.kind]}>
      {texts[state.kind]}
    </span>
  );
}

/** Exact, however few of the rows are kept. */
function Counts({ tail }: { readonly tail: Tail }) {
  const { messages, bytes } = tail.counts.value;
  const { rate } = tail;
  const json = tail.format === "messages";
  const count = json ? `${formatCount(messages)} messages` : formatBytes(bytes);
  const speed = json ? `${formatCompact(rate)}/s` : `${formatBytes(rate)}/s`;
  return (
    <span class="counts" data-messages={messages} data-bytes={bytes}>
      {count}
      {rate > 0 && ` · ${speed}`}
    </span>
  );
}

/** Bytes that have been appended and not read. */
function lagOf(tail: Tail, nextOffset: string): number {
  const { offset } = tail;
  if (offset === null || offset === "-1") return 0;
  const lag = positionOf(nextOffset) - positionOf(offset);
  return Number.isNaN(lag) ? 0 : Math.max(0, lag);
}

function StartMenu({ json, earliest, start, onStart }: {
  readonly json: boolean;
  readonly earliest: string;
  readonly start: TailStart;
  readonly onStart: (start: TailStart) => void;
}) {
  const [custom, setCustom] = useState(false);
  const counts = json ? [20, 200, 2000] : [4 << 10, 64 << 10, 1 << 20];
  const value = start.kind === "last"
    ? String(start.count)
    : start.offset === earliest || start.offset === "now"
    ? start.offset
    : "custom";
  const choose = (name: string) => {
    if (name === "custom") return setCustom(true);
    setCustom(false);
    const isOffset = name === earliest || name === "now";
    onStart(
      isOffset ? { kind: "offset", offset: name } : { kind: "last", count: Number(name) },
    );
  };
  return (
    <>
      {custom && (
        <input
          class="mono offset-input"
          aria-label="Offset"
          placeholder="Offset, then Enter"
          spellcheck={false}
          autofocus
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              onStart({
                kind: "offset",
                offset: event.currentTarget.value.trim(),
              });
            }
          }}
        />
      )}
      <select
        aria-label="Where to begin"
        value={custom ? "custom" : value}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {counts.map((count) => (
          <option key={count} value={String(count)}>
            Last {json ? formatCount(count) : formatBytes(count)}
          </option>
        ))}
        <option value={earliest}>From the beginning</option>
        <option value="now">Only new</option>
        <option value="custom">From an offset…</option>
      </select>
    </>
  );
}
