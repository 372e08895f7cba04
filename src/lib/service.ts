/**
 * The one contract by which everything that runs in the background is started and stopped, so that
 * a node can start its parts in order and undo what it began when a later part fails.
 */

/**
 * `start` and `stop` may be called at any time, in any order and any number of times. Calls take
 * effect one after another; a `start` of a running service and a `stop` of a stopped one do nothing.
 */
export interface Service {
  /** Resolves when the service runs. When it rejects, the service is stopped. */
  start(): Promise<void>;
  /** Resolves when nothing of the service runs any longer. */
  stop(): Promise<void>;
}

/** Keeps the contract for a subclass, which says only how it begins and how it ends. */
export abstract class BaseService implements Service {
  #running = false;
  /** Settles when every call so far has taken effect. Never rejects. */
  #settled: Promise<void> = Promise.resolve();

  /** Whether the service has been started and not stopped since. */
  protected get running(): boolean {
    return this.#running;
  }

  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#running) return;
      this.#running = true;
      try {
        await this.onStart();
      } catch (error) {
        await this.#end().catch(() => {});
        throw error;
      }
    });
  }

  stop(): Promise<void> {
    return this.#next(async () => {
      if (this.#running) await this.#end();
    });
  }

  /** Begins. When it throws, `onStop` is called next. */
  protected abstract onStart(): void | Promise<void>;

  /** Ends whatever `onStart` began, all of it or a part. `running` is false by then. */
  protected abstract onStop(): void | Promise<void>;

  async #end(): Promise<void> {
    this.#running = false;
    await this.onStop();
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#settled.then(step);
    this.#settled = done.catch(() => {});
    return done;
  }
}

/**
 * Starts services one after another.
 * @throws what a service's `start` throws, once those before it have been stopped in reverse order
 */
export async function startAll(services: readonly Service[]): Promise<void> {
  for (const [at, service] of services.entries()) {
    try {
      await service.start();
    } catch (error) {
      await stopAll(services.slice(0, at)).catch(() => {});
      throw error;
    }
  }
}

/**
 * Stops services one after another, the last first.
 * @throws the first error of a `stop`, once all have been called
 */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const errors: unknown[] = [];
  for (const service of services.toReversed()) {
    await service.stop().catch((error) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
}
