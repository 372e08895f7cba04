/** Short messages about what was done, or why not. */
import { signal } from "@preact/signals";
import { asApiError } from "../api/request.ts";
import { visibleText } from "../model/visible_text.ts";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

const toasts = signal<readonly Toast[]>([]);
const SHOWN_MS = 5000;
let last = 0;

export function say(text: string, { bad = false } = {}): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), {
    id,
    text: visibleText(text, 400),
    bad,
  }];
  setTimeout(
    () => toasts.value = toasts.value.filter((toast) => toast.id !== id),
    SHOWN_MS,
  );
}

export function sayError(error: unknown): void {
  const { code, message } = asApiError(error);
  say(`${code}: ${message}`, { bad: true });
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, bad }) => (
        <p key={id} class={bad ? "toast bad" : "toast"}>{text}</p>
      ))}
    </div>
  );
}
