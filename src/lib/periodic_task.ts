/** Work that is done again and again, one run at a time, until it is stopped. */
import { BaseService } from "./service.ts";

export interface PeriodicTaskOptions {
  /**
   * One run. It may return the milliseconds to pause after this run, instead of `pauseMs`.
   * The task goes on after a run that throws; see `onError`.
   */
  readonly run: () => void | number | Promise<void | number>;
  /** Milliseconds from the end of a run to the beginning of the next. A function may spread them. */
  readonly pauseMs: number | (() => number);
  /** Milliseconds from the start to the first run. Default: as `pauseMs`. */
  readonly firstMs?: number;
  /** Told what a run threw. It may return the milliseconds to pause then. Default: it is ignored. */
  readonly onError?: (error: unknown) => void | number;
}

export class PeriodicTask extends BaseService {
  readonly #options: PeriodicTaskOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, as `performance.now()`. */
  #nextAt = Infinity;
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
    if (this.#run !== undefined) this.#askedMs = Math.min(this.#askedMs, ms);
    else if (performance.now() + ms < this.#nextAt) this.#schedule(ms);
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
    this.#timer = setTimeout(() => this.#run = this.#runOnce(), ms);
  }

  async #runOnce(): Promise<void> {
    this.#askedMs = Infinity;
    let pause: void | number;
    try {
      pause = await this.#options.run();
    } catch (error) {
      pause = this.#options.onError?.(error);
    }
    this.#run = undefined;
    if (this.running) this.#schedule(Math.min(pause ?? this.#pauseMs(), this.#askedMs));
  }
}
