/**
 * A real headless Chromium, driven by playwright-core, for tests that need a browser.
 *
 * A test imports nothing but this file and runs under plain `deno test -A`: package_entry.ts
 * says where the package is. Its types would need the package in deno.lock, so what is used of it
 * is written down below.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { findProgram } from "./program.ts";

const LIMIT_MS = 30_000;
const POLL_MS = 20;
const INSTALL_LIMIT_MS = 120_000; // A cold cache downloads 3 MB first.

/** The part of playwright-core's `Page` that the tests use; see its documentation. */
export interface PlaywrightPage {
  goto(url: string): Promise<unknown>;
  url(): string;
  content(): Promise<string>;
  evaluate(expression: unknown, argument?: unknown): Promise<unknown>;
  click(selector: string): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  innerText(selector: string): Promise<string>;
  setViewportSize(size: { width: number; height: number }): Promise<void>;
  screenshot(options: { path?: string; fullPage?: boolean }): Promise<Uint8Array>;
  setDefaultTimeout(ms: number): void;
  close(): Promise<void>;
  readonly keyboard: { press(key: string): Promise<void> };
  emulateMedia(media: { colorScheme: "light" | "dark" }): Promise<void>;
  on(event: "request", listener: (request: { url(): string }) => void): void;
  on(event: "console", listener: (message: ConsoleMessage) => void): void;
  on(event: "pageerror", listener: (error: Error) => void): void;
  on(event: "requestfailed", listener: (request: FailedRequest) => void): void;
}

interface ConsoleMessage {
  type(): string;
  text(): string;
}

interface FailedRequest {
  method(): string;
  url(): string;
  failure(): { errorText: string } | null;
}

interface PlaywrightContext {
  newPage(): Promise<PlaywrightPage>;
  close(): Promise<void>;
}

interface PlaywrightBrowser {
  version(): string;
  newContext(): Promise<PlaywrightContext>;
  close(): Promise<void>;
}

interface Playwright {
  readonly chromium: { launch(options: Record<string, unknown>): Promise<PlaywrightBrowser> };
}

export interface ChromiumOptions {
  /** More arguments of its command line. */
  readonly args?: readonly string[];
}

let loaded: Promise<Playwright> | undefined;
let axe: Promise<string> | undefined;

/** Once for a process: the package's path comes from a process of its own. */
function loadPlaywright(): Promise<Playwright> {
  return loaded ??= entryOf("playwright-core").then((path) =>
    createRequire(import.meta.url)(path) as Playwright
  );
}

/** The text of axe-core, which a page runs to check itself for what keeps people out. */
function loadAxe(): Promise<string> {
  return axe ??= entryOf("axe-core").then((path) => readFile(path, "utf8"));
}

/** The path of a package's entry in the package cache. */
async function entryOf(name: string): Promise<string> {
  const folder = import.meta.dirname ?? ".";
  const lock = join(folder, "../../tools.lock");
  const script = join(folder, "package_entry.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["run", "-A", "--quiet", "--node-modules-dir=none", `--lock=${lock}`, script, name],
  ], { timeout: INSTALL_LIMIT_MS });
  return stdout.trim();
}

/** Starts the Chromium that is installed here; `testWith(["chromium"], …)` asks for one. */
export async function startChromium(options: ChromiumOptions = {}): Promise<Chromium> {
  const executablePath = findProgram("chromium");
  if (executablePath === undefined) throw new Error("chromium is not installed");
  const { chromium } = await loadPlaywright();
  const browser = await chromium.launch({
    executablePath,
    args: [...options.args ?? []],
    // Chromium refuses to run as root with its sandbox, and anyone else should keep it.
    chromiumSandbox: userInfo().uid !== 0,
    timeout: LIMIT_MS,
  });
  return new Chromium(browser);
}

export class Chromium implements AsyncDisposable {
  readonly #browser: PlaywrightBrowser;

  constructor(browser: PlaywrightBrowser) {
    this.#browser = browser;
  }

  get version(): string {
    return this.#browser.version();
  }

  /**
   * Opens a page with a cache and storage of its own. Pages of `http://localhost:PORT`,
   * `http://127.0.0.1:PORT` and `http://anything.localhost:PORT` are of different origins, and all
   * lead to this machine.
   */
  async openPage(url?: string): Promise<BrowserPage> {
    const context = await this.#browser.newContext();
    const page = new BrowserPage(await context.newPage(), () => context.close());
    if (url !== undefined) await page.goto(url);
    return page;
  }

  /** Closes all pages and waits for the browser's end. */
  close(): Promise<void> {
    return this.#browser.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export class BrowserPage {
  /** Uncaught exceptions and what came through `console.error`, CORS refusals included. */
  readonly errors: string[] = [];
  /** Every line of the console, as `type: text`. */
  readonly console: string[] = [];
  /** Requests that got no response, as `GET URL reason`: aborted ones are among them. */
  readonly failedRequests: string[] = [];
  /** The URL of every request that the page has made. */
  readonly requests: string[] = [];
  readonly #close: () => Promise<void>;

  /** @param playwright the page itself, for what is not here */
  constructor(readonly playwright: PlaywrightPage, close: () => Promise<void>) {
    this.#close = close;
    playwright.setDefaultTimeout(LIMIT_MS);
    playwright.on("console", (message) => {
      this.console.push(`${message.type()}: ${message.text()}`);
      if (message.type() === "error") this.errors.push(message.text());
    });
    playwright.on("request", (request) => this.requests.push(request.url()));
    playwright.on("pageerror", (error) => this.errors.push(String(error)));
    playwright.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText ?? "";
      this.failedRequests.push(`${request.method()} ${request.url()} ${reason}`);
    });
  }

  /** Resolves when the page and what it names have loaded. */
  async goto(url: string): Promise<void> {
    await this.playwright.goto(url);
  }

  /**
   * Runs it in the page and returns what JSON can hold of its result; a promise is waited for.
   * @param expression JavaScript's text, or a function that uses nothing but its argument. The
   * types of `document` and `window` are not Deno's: write a text where you need them.
   */
  async evaluate<T>(
    expression: string | ((argument: never) => unknown),
    argument?: unknown,
  ): Promise<T> {
    return await this.playwright.evaluate(expression, argument) as T;
  }

  /** The visible text of the first element that the CSS selector matches. */
  text(selector = "body"): Promise<string> {
    return this.playwright.innerText(selector);
  }

  /** Resolves once the expression, which is JavaScript's text, is true in the page. */
  async waitFor(expression: string): Promise<void> {
    // Not by waitForFunction: a strict Content-Security-Policy lets it evaluate nothing.
    const until = performance.now() + LIMIT_MS;
    while (!await this.evaluate<boolean>(`Boolean(${expression})`)) {
      if (performance.now() > until) throw new Error(`never true in the page: ${expression}`);
      await delay(POLL_MS);
    }
  }

  /** Resolves once the element's visible text contains this. */
  async waitForText(text: string, selector = "body"): Promise<void> {
    const element = `document.querySelector(${JSON.stringify(selector)})`;
    await this.waitFor(`${element}?.innerText.includes(${JSON.stringify(text)})`);
  }

  /** What axe-core finds that keeps people out, as `rule: element`. */
  async accessibilityViolations(): Promise<string[]> {
    await this.evaluate(await loadAxe());
    return await this.evaluate<string[]>(`axe.run(document, { resultTypes: ["violations"] }).then(
      ({ violations }) => violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, any }) => id + ": " + html.slice(0, 160) + " " + (any[0]?.message ?? ""))))`);
  }

  /** A PNG of the whole page, written to `path` too where one is given. */
  screenshot(path?: string): Promise<Uint8Array> {
    return this.playwright.screenshot({ fullPage: true, ...path === undefined ? {} : { path } });
  }

  close(): Promise<void> {
    return this.#close();
  }
}
