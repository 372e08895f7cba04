/** What a person has chosen of the page's appearance; kept by the browser. */
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const STORED = "penstock.theme";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(readTheme());
/** What `theme` comes to here: plots are drawn anew when it changes. */
export const appearance = signal<"light" | "dark">("light");

function readTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  return THEMES.find((name) => name === stored) ?? "auto";
}

function apply(): void {
  const { value } = theme;
  appearance.value = value === "auto" ? (system.matches ? "dark" : "light") : value;
  document.documentElement.dataset.theme = appearance.value;
}

effect(apply);
system.addEventListener("change", apply);

export function setTheme(to: Theme): void {
  theme.value = to;
  localStorage.setItem(STORED, to);
}

export function toggleTheme(): void {
  setTheme(appearance.value === "dark" ? "light" : "dark");
}
