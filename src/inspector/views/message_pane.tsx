/** One message in full: laid out, as it was written, or as its bytes. */
import { useState } from "preact/hooks";
import { CopyButton } from "../components/copy_button.tsx";
import { Icon } from "../components/icon.tsx";
import { VirtualList } from "../components/virtual_list.tsx";
import { hexOf, type Row } from "../model/content.ts";
import { formatBytes, formatClock } from "../model/format.ts";
import { prettyJson, tokensOf } from "../model/json_messages.ts";
import { visibleLines } from "../model/visible_text.ts";

/** Characters of a message that are laid out: more than that is for a file. */
const LONGEST = 1 << 20;
const LINE = 18;

type Look = "pretty" | "raw" | "hex";

export function MessagePane({ row, json, onClose }: {
  readonly row: Row;
  readonly json: boolean;
  readonly onClose: () => void;
}) {
  const [look, setLook] = useState<Look>(json ? "pretty" : "raw");
  const text = row.text.slice(0, LONGEST);
  const looks: readonly Look[] = json ? ["pretty", "raw", "hex"] : ["raw", "hex"];
  const size = new TextEncoder().encode(row.text).length;
  return (
    <section class="pane" aria-label="Selected message">
      <header class="pane-head">
        <span class="segmented" role="group" aria-label="Look">
          {looks.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === look}
              onClick={() => setLook(name)}
            >
              {name === "pretty" ? "Pretty" : name === "raw" ? "Raw" : "Hex"}
            </button>
          ))}
        </span>
        <span class="dim">
          {formatBytes(size)}
          {row.receivedAt !== null && ` · ${formatClock(row.receivedAt)}`}
          {row.text.length > LONGEST && ", the first MiB of it"}
        </span>
        <span class="grow" />
        <CopyButton
          label="Copy the message"
          short="Copy"
          text={() => row.text}
        />
        <button
          type="button"
          class="ghost square"
          aria-label="Close the message"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      {look === "hex" ? <HexText text={text} /> : (
        <Lines
          text={look === "pretty" ? prettyJson(text) : text}
          json={json}
        />
      )}
    </section>
  );
}

/** Long lines are broken, so that each has the same height. */
function Lines(
  { text, json }: { readonly text: string; readonly json: boolean },
) {
  const lines = visibleLines(text).split("\n").flatMap((line) => line.match(/.{1,200}/gsu) ?? [""]);
  return (
    <VirtualList
      label="Message"
      class="code-lines"
      count={lines.length}
      rowHeight={LINE}
      row={(index) => (
        <div key={index} role="listitem" class="code-line">
          <bdi dir="ltr">
            {json
              ? tokensOf(lines[index]!).map(({ kind, text }, at) => (
                <span key={at} class={kind}>{text}</span>
              ))
              : lines[index]}
          </bdi>
        </div>
      )}
    />
  );
}

function HexText({ text }: { readonly text: string }) {
  const bytes = new TextEncoder().encode(text);
  return (
    <VirtualList
      label="Bytes of the message"
      class="code-lines"
      count={Math.ceil(bytes.length / 16)}
      rowHeight={LINE}
      row={(index) => {
        const { digits, text } = hexOf(
          bytes.subarray(index * 16, index * 16 + 16),
        );
        return (
          <div key={index} role="listitem" class="code-line hex-row">
            <span class="row-time">
              {(index * 16).toString(16).padStart(6, "0")}
            </span>
            <span class="row-text">{digits}</span>
            <span class="hex-text">{text}</span>
          </div>
        );
      }}
    />
  );
}
