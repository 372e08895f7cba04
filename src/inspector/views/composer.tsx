/** Below the rows: what to append. */
import { useRef, useState } from "preact/hooks";
import { appendAction, perform } from "../api/streams.ts";
import { CurlButton } from "../components/copy_button.tsx";
import { sayError } from "../components/toasts.tsx";
import { formatOf } from "../model/content.ts";
import { useShortcuts } from "../shortcuts.ts";

export function Composer({ path, contentType, onAppended }: {
  readonly path: string;
  readonly contentType: string;
  readonly onAppended: () => void;
}) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  useShortcuts({ a: () => input.current?.focus() });
  const json = formatOf(contentType) === "messages";
  const problem = json && text !== "" ? problemOf(text) : null;
  const append = async (event?: Event) => {
    event?.preventDefault();
    if (busy || text === "" || problem !== null) return;
    setBusy(true);
    try {
      await perform(appendAction(path, contentType, text));
      setText("");
      onAppended();
    } catch (error) {
      sayError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="composer" onSubmit={append}>
      <textarea
        ref={input}
        rows={Math.min(8, Math.max(1, text.split("\n").length))}
        aria-label="What to append"
        placeholder={json ? '{"hello": "world"}' : "Text to append"}
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (
            event.key === "Enter" && (event.metaKey || event.ctrlKey)
          ) void append(event);
        }}
      />
      {problem !== null && <span class="composer-problem">{problem}</span>}
      <CurlButton
        action={() => appendAction(path, contentType, text)}
        label="Copy the append as curl"
      />
      <button
        type="submit"
        class="primary"
        disabled={busy || text === "" || problem !== null}
        title="Ctrl or ⌘ and Enter"
      >
        Append
      </button>
    </form>
  );
}

function problemOf(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch {
    return "not JSON";
  }
}
