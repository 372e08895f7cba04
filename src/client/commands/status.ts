import { setTimeout as pause } from "node:timers/promises";
import { secondsOf } from "../durations.ts";
import type { Command, Invocation } from "../command.ts";
import { ClientError, EXIT, usageError } from "../exit_codes.ts";
import { jsonOf } from "../json_answer.ts";
import { type NodeReport, ratesBetween, statusRows, type Timed } from "../node_report.ts";

/** Rates are of one second, where there is only one answer to show. */
const ONCE_SECONDS = 1;
const ANSWER_MS = 5000;

export const status: Command = {
  name: "status",
  summary: "Show what a running server does: rates, followers, lag and memory",
  operands: [],
  flags: [
    { name: "once", help: "Show one second and end, instead of showing every second until Ctrl-C" },
    { name: "interval", value: "time", help: "How often to ask, such as 1s or 1m [1s]" },
  ],
  details:
    `It asks __ds/node of a Penstock of 0.2 or newer. With access control the token needs admin.
Behind a proxy, or with --workers, it shows the node that its connection leads to. With --json each
answer is a line, with the rates per second since the one before as "rates".`,
  examples: ["penstock status", "penstock status --once --json"],
  // What does not answer is shown, and asked again in the next interval.
  retryMs: 0,
  async run(invocation) {
    const once = invocation.has("once");
    const interval = intervalOf(invocation.text("interval"));
    const screen = new Screen(invocation);
    let before = await ask(invocation);
    if (!once) await screen.show(before, null);
    do {
      await pause((once ? ONCE_SECONDS : interval) * 1000);
      const after = await ask(invocation).catch((error) => {
        // What the server refuses, it will refuse again.
        if (once || !(error instanceof ClientError) || error.exitCode !== EXIT.failure) throw error;
        return error;
      });
      if (after instanceof ClientError) await screen.showOutage(after.message);
      else {
        await screen.show(after, before);
        before = after;
      }
    } while (!once);
    return EXIT.ok;
  },
};

function intervalOf(text: string | undefined): number {
  const seconds = text === undefined ? 1 : secondsOf(text);
  if (seconds < 1 || seconds > 86_400) throw usageError("--interval is from 1s to 1d");
  return seconds;
}

async function ask({ connection, streamUrl }: Invocation): Promise<Timed> {
  const url = streamUrl("__ds/node");
  const answer = await connection.send({
    method: "GET",
    url,
    answerMs: ANSWER_MS,
    expected: [404],
  });
  const report = await jsonOf<NodeReport>(answer);
  if (answer.status === 404 || typeof report?.totals?.appends !== "number") {
    throw new ClientError(EXIT.notFound, `${url.href} is of no Penstock of 0.2 or newer`);
  }
  return { report, at: performance.now() };
}

/** On a terminal, each picture takes the place of the one before. */
class Screen {
  readonly #invocation: Invocation;
  #lines = 0;
  #awaySince: number | null = null;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  async show(timed: Timed, before: Timed | null): Promise<void> {
    const { console, has } = this.#invocation;
    this.#awaySince = null;
    const rates = ratesBetween(before, timed);
    if (has("json")) {
      await console.write(`${JSON.stringify({ ...timed.report, rates })}\n`);
    } else {
      const rows = statusRows(timed.report, rates, Date.now());
      await this.#draw(
        rows.map(([label, text]) => `${console.paint(label.padEnd(15), "dim")}${text}`),
      );
    }
    await console.flush();
  }

  /** Says so once, or on a terminal in the picture's place, with the time that it has lasted. */
  async showOutage(message: string): Promise<void> {
    const { console, has } = this.#invocation;
    const began = this.#awaySince === null;
    this.#awaySince ??= performance.now();
    if (has("json") || !console.outputIsTerminal) {
      if (began) console.tell(`${message}; trying again`);
      return;
    }
    const seconds = Math.round((performance.now() - this.#awaySince) / 1000);
    await this.#draw([console.paint(`${message}, for ${seconds} s`, "red")]);
    await console.flush();
  }

  async #draw(lines: readonly string[]): Promise<void> {
    const { console } = this.#invocation;
    if (!console.outputIsTerminal) {
      return await console.write(`${lines.join("\n")}\n\n`);
    }
    // Up to where the last picture began, and clear from there on.
    const up = this.#lines === 0 ? "" : `\x1b[${this.#lines}A`;
    this.#lines = lines.length;
    // Without wrapping, a line of the picture is one of the terminal, however narrow that is.
    await console.write(`${up}\r\x1b[J\x1b[?7l${lines.join("\n")}\n\x1b[?7h`);
  }
}
