/**
 * Loaded before a server: its clock is wrong by CLOCK_SHIFT_MS, and SIGWINCH sets it by CLOCK_STEP_MS
 * more. Timers are not: the system's do not go by the time of day either.
 */
import process from "node:process";

const RightDate = Date;
let shift = Number(process.env.CLOCK_SHIFT_MS ?? 0);
process.on("SIGWINCH", () => shift += Number(process.env.CLOCK_STEP_MS ?? 0));

class WrongDate extends RightDate {
  constructor(...given: unknown[]) {
    super(...(given.length === 0 ? [WrongDate.now()] : given) as [number]);
  }

  static override now(): number {
    return RightDate.now() + shift;
  }
}

globalThis.Date = WrongDate as DateConstructor;
