/** Keys: one listener for the page; views add theirs while they are shown. */
import { useEffect, useRef } from "preact/hooks";

export type Shortcuts = Readonly<
  Record<string, (event: KeyboardEvent) => void>
>;

/** The newest first: what was shown last is asked first. */
const layers: (() => Shortcuts)[] = [];
/** The first key of two, such as `g` of `g s`. */
let pending = "";
let pendingTimer: ReturnType<typeof setTimeout> | undefined;

addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (
    event.ctrlKey || event.metaKey || event.altKey ||
    document.querySelector("dialog")
  ) return;
  const typing = target instanceof HTMLElement &&
    (target.matches("input, textarea, select") || target.isContentEditable);
  if (typing) {
    if (key === "Escape") target.blur();
    return;
  }
  // Space and Enter belong to the button or link that has the focus.
  const onControl = target instanceof HTMLElement &&
    target.matches("button, a, summary");
  if (onControl && (key === " " || key === "Enter")) return;
  const sequence = pending === "" ? key : `${pending} ${key}`;
  pending = "";
  clearTimeout(pendingTimer);
  for (const shortcuts of layers.map((layer) => layer())) {
    const action = shortcuts[sequence] ?? shortcuts[key];
    if (action === undefined) continue;
    event.preventDefault();
    return action(event);
  }
  if (
    layers.some((layer) => Object.keys(layer()).some((name) => name.startsWith(`${key} `)))
  ) {
    pending = key;
    pendingTimer = setTimeout(() => pending = "", 800);
  }
});

/** Names of keys as `KeyboardEvent.key` has them, or two with a space between. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  current.current = shortcuts;
  useEffect(() => {
    const layer = () => current.current;
    layers.unshift(layer);
    return () => void layers.splice(layers.indexOf(layer), 1);
  }, []);
}
