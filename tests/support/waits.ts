/** How tests wait: for an event with a bound, and for time only where time is what is tested. */

/** How often `eventually` asks. Milliseconds. */
const POLL_MS = 40;

/** The result of `work`, or an error that says what took longer than `ms`. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until the answer is not undefined: for what is allowed to come about later. */
export async function eventually<T>(
  ms: number,
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + ms;
  while (true) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await elapse(POLL_MS, "between two polls");
  }
}

/**
 * Lets time go by where that is what the test needs: a lease that has to expire, the interval of a
 * client, a while in which nothing may happen. Never instead of an event that could be awaited;
 * `tests/conventions_test.ts` refuses any other sleep.
 * @param _why what this time is, for the reader of the test
 */
export function elapse(ms: number, _why: string): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
