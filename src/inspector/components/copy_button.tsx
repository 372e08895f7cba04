import { useState } from "preact/hooks";
import { curlOf } from "../api/curl.ts";
import type { Action } from "../api/streams.ts";
import { Icon } from "./icon.tsx";
import { say } from "./toasts.tsx";

/** Copies a text. Pages that came by http from another machine have no clipboard, and show it. */
export function CopyButton({ text, label, short }: {
  readonly text: () => string;
  readonly label: string;
  /** What the button says; none: an icon only. */
  readonly short?: string;
}) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    const value = text();
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
      setTimeout(() => setCopied(false), 1200);
    } catch {
      say(value);
    }
  };
  return (
    <button
      type="button"
      class={short === undefined ? "ghost square" : "ghost"}
      title={label}
      aria-label={label}
      onClick={copy}
    >
      <Icon name={copied ? "check" : "copy"} />
      {short}
    </button>
  );
}

export function CurlButton({ action, label = "Copy as curl" }: {
  readonly action: () => Action;
  readonly label?: string;
}) {
  return (
    <CopyButton
      label={label}
      short="curl"
      text={() => curlOf(action())}
    />
  );
}
