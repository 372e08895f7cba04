/** Work that is done again and again, one run at a time, until it is stopped. */
import { BaseService } from "./service.ts";

export interface PeriodicTaskOptions {
  /**
   * One run. It may return the milliseconds to pause after this run, instead of `pauseMs`.
   * The task goes on after a run that throws; see `onError`.
   */
  readonly run: () => void | number | Promise<void | number | undefined>;
  /**
   * Milliseconds from the end of a run to the beginning of the next. A function may spread them.
   * Infinity: the task runs only when `runIn` asks for it.
   */
  readonly pauseMs: number | (() => number);
  /** Milliseconds from the start to the first run. Default: as `pauseMs`. */
  readonly firstMs?: number;
  /**
   * Told what a run threw. It may return the milliseconds to pause then, which `runIn` does not
   * shorten. Default: the error is ignored.
   */
  readonly onError?: (error: unknown) => void | number;
}

export class PeriodicTask extends BaseService {
  readonly #options: PeriodicTaskOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, as `performance.now()`. */
  #nextAt = Infinity;
  /** When the pause after a failed run ends. */
  #notBefore = -Infinity;
  #run: Promise<void> | undefined;
  /** A run that was asked for while another was in progress, as milliseconds after it. */
  #askedMs = Infinity;

  constructor(options: PeriodicTaskOptions) {
    super();
    this.#options = options;
  }

  /** Lets the next run begin in so many milliseconds, unless it begins sooner anyway. */
  runIn(ms: number): void {
    if (!this.running) return;
    if (this.#run !== undefined) {
      this.#askedMs = Math.min(this.#askedMs, ms);
      return;
    }
    const pause = Math.max(ms, this.#notBefore - performance.now());
    if (performance.now() + pause < this.#nextAt) this.#schedule(pause);
  }

  protected override onStart(): void {
    this.#schedule(this.#options.firstMs ?? this.#pauseMs());
  }

  /** Resolves when the run in progress has ended. */
  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#nextAt = Infinity;
    await this.#run;
  }

  #pauseMs(): number {
    const { pauseMs } = this.#options;
    return typeof pauseMs === "number" ? pauseMs : pauseMs();
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#nextAt = performance.now() + ms;
    if (ms === Infinity) return;
    this.#timer = setTimeout(() => this.#run = this.#runOnce(), ms);
  }

  async #runOnce(): Promise<void> {
    this.#askedMs = Infinity;
    let pause: void | number | undefined;
    try {
      pause = await this.#options.run();
    } catch (error) {
      pause = this.#options.onError?.(error) ?? this.#pauseMs();
      this.#askedMs = Infinity;
      this.#notBefore = performance.now() + pause;
    }
    this.#run = undefined;
    if (this.running) this.#schedule(Math.min(pause ?? this.#pauseMs(), this.#askedMs));
  }
}
