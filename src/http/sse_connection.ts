/**
 * One SSE connection (section 5.8). Pulled by its reader: nothing is encoded before the last event
 * has been taken, so a slow reader costs no memory. Where the next event is at hand it is pushed
 * in the turn that brings the news, without a promise or a timer of its own.
 */
import { currentCursor, nextCursor } from "../protocol/cursor.ts";
import type { Follower } from "../streams/follow/follower.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { Listener } from "../streams/follow/hub.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import { type SseFrame, SseFrames } from "./sse_frames.ts";

/** Section 5.8: connections end about every 60 s, spread so that they do not all come back at once. */
const ROTATE_MS = 54_000;
const ROTATE_SPREAD_MS = 10_000;
/** A reader that has not taken an event this long after its rotation was due is cut off. */
const STALLED_MS = 30_000;

/** Shared by all connections of this process: an event is encoded once for all who get it. */
const frames = new SseFrames();
const rotations = new DeadlineQueue();

/** A stream asks for nothing before its reader waits. */
const NO_QUEUE = { highWaterMark: 0 };

/**
 * The source of its own stream and the listener of its own follower: closures for that would be
 * kept by every idle connection.
 */
export class SseConnection implements UnderlyingDefaultSource<Uint8Array>, Listener {
  readonly #stream: StreamState;
  readonly #follower: Follower;
  readonly #rotation: Deadline;
  /** Where the next event begins: behind what was held back, it may lie before `#seen`. */
  #position: number;
  #seen: number;
  #cursor: string;
  /** Nothing comes after the event that was last encoded. */
  #last = false;
  #rotating = false;
  /** The reader waits for an event. */
  #wanted = false;
  #loading = false;
  #ended = false;
  #first: Uint8Array | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(
    stream: StreamState,
    follower: Follower,
    start: number,
    clientCursor: string | null,
  ) {
    this.#stream = stream;
    this.#follower = follower;
    this.#position = start;
    this.#seen = start;
    this.#cursor = nextCursor(clientCursor, Date.now(), Math.random);
    this.#rotation = {
      at: performance.now() + ROTATE_MS + Math.random() * ROTATE_SPREAD_MS,
      expire: () => this.#rotate(),
    };
  }

  /** What is there already; at the tail a control event alone, which says so. */
  async first(): Promise<Uint8Array> {
    return this.#frameAtHand() ?? await this.#loadFrame();
  }

  /** A reader that goes away cancels it, on Deno and on Bun: no AbortSignal is needed for that. */
  body(first: Uint8Array): ReadableStream<Uint8Array> {
    this.#first = first;
    return new ReadableStream<Uint8Array>(this, NO_QUEUE);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    controller.enqueue(this.#first!);
    this.#first = undefined;
    rotations.add(this.#rotation);
    this.#follower.listen(this);
  }

  pull(): void {
    this.#wanted = true;
    this.#advance();
  }

  cancel(): void {
    this.#end();
  }

  told(): void {
    this.#advance();
  }

  /** Sends what there is to one who waits for it. Called whenever that may have changed. */
  #advance(): void {
    if (!this.#wanted || this.#loading || this.#ended) return;
    if (this.#last || this.#rotating) return this.#close();
    const standing = this.#follower.standing(this.#seen);
    if (standing === "nothing") return;
    if (standing !== "more") return this.#close();
    try {
      const frame = this.#frameAtHand();
      if (frame !== null) return this.#send(frame);
    } catch (error) {
      // Whoever told us of news has others to tell.
      return this.#fail(error);
    }
    this.#loading = true;
    this.#loadFrame().then((loaded) => {
      this.#loading = false;
      if (!this.#ended) this.#send(loaded);
    }, (error) => {
      this.#loading = false;
      this.#fail(error);
    });
  }

  #send(frame: Uint8Array): void {
    this.#wanted = false;
    this.#controller!.enqueue(frame);
  }

  #frameAtHand(): Uint8Array | null {
    const { extent, shared } = this.#follower;
    const cursor = this.#moveCursor();
    let frame = frames.recall(shared, this.#position, extent, cursor);
    if (frame === null) {
      const page = this.#follower.pageAtHand(this.#position);
      if (page === null) return null;
      frame = frames.encode(shared, this.#stream, page, extent, cursor);
    }
    return this.#took(frame);
  }

  async #loadFrame(): Promise<Uint8Array> {
    const { extent, shared } = this.#follower;
    const page = await this.#follower.page(this.#position);
    return this.#took(frames.encode(shared, this.#stream, page, extent, this.#moveCursor()));
  }

  #took(frame: SseFrame): Uint8Array {
    this.#position = frame.next;
    this.#seen = frame.end;
    this.#last = frame.last;
    return frame.bytes;
  }

  #moveCursor(): string {
    const now = currentCursor(Date.now());
    if (now !== this.#cursor && Number(now) > Number(this.#cursor)) this.#cursor = now;
    return this.#cursor;
  }

  /** Ends between two events: at once when the reader waits, else when it comes back for more. */
  #rotate(): void {
    if (this.#rotating) return this.#fail(new Error("the reader stalled"));
    this.#rotating = true;
    this.#rotation.at = performance.now() + STALLED_MS;
    rotations.add(this.#rotation);
    this.#advance();
  }

  #close(): void {
    this.#end();
    this.#controller!.close();
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#end();
    this.#controller!.error(error);
  }

  #end(): void {
    this.#ended = true;
    rotations.remove(this.#rotation);
    this.#follower.leave();
  }
}
