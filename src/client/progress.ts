/** How far a long read or write is, on standard error, when that is a terminal. */
import type { Console } from "./console.ts";
import { formatSeconds } from "./durations.ts";

const EVERY_MS = 500;

export class Progress {
  readonly #console: Console;
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #bytes = 0;
  #messages = 0;
  #fraction: number | null = null;

  /** @param shown false where the line would come between what the command itself prints */
  constructor(console: Console, shown: boolean) {
    this.#console = console;
    if (shown && console.errorIsTerminal) {
      this.#timer = setInterval(() => this.#show(), EVERY_MS);
      this.#timer.unref();
    }
  }

  add(bytes: number, messages: number): void {
    this.#bytes += bytes;
    this.#messages += messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#messages;
  }

  /** How much of the whole is done, 0 to 1, where that is known. */
  reach(fraction: number | null): void {
    this.#fraction = fraction;
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#console.status("");
  }

  #show(): void {
    const seconds = (performance.now() - this.#started) / 1000;
    this.#console.status(progressLine({
      bytes: this.#bytes,
      messages: this.#messages,
      fraction: this.#fraction,
      seconds,
    }));
  }
}

export interface ProgressState {
  readonly bytes: number;
  readonly messages: number;
  readonly fraction: number | null;
  readonly seconds: number;
}

export function progressLine({ bytes, messages, fraction, seconds }: ProgressState): string {
  const parts = [`${formatBytes(bytes)}, ${formatBytes(bytes / seconds)}/s`];
  if (messages > 0) parts.push(`${messages.toLocaleString("en")} messages`);
  if (fraction !== null && fraction > 0) {
    const left = seconds * (1 / fraction - 1);
    parts.push(`${Math.floor(fraction * 100)} %, ${formatSeconds(left)} left`);
  }
  return parts.join(", ");
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/**
 * How far `offset` lies between the start and the tail, if the server's offsets have a number in
 * them that grows with the bytes. To clients offsets are opaque: this is good for a display only.
 */
export function fractionOf(offset: string, tail: string | null): number | null {
  const [at, end] = [offset, tail ?? ""].map((text) => text.split("_").map(Number));
  for (const [part, whole] of (end ?? []).entries()) {
    const reached = at?.[part];
    if (!(whole > 0) || reached === undefined || !(reached >= 0)) continue;
    return Math.min(1, reached / whole);
  }
  return null;
}
