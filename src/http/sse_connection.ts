/**
 * One SSE connection (section 5.8). Pulled by its reader: nothing is encoded before the last event
 * has been taken, so a slow reader costs no memory. Where the next event is in memory it is pushed
 * in the turn that brings the notification, without a promise or a timer of its own.
 */
import type { Principal } from "../access/principal.ts";
import { Refused } from "../errors.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
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

/** Shared by all connections of this process: an event is encoded once for all that get it. */
const frames = new SseFrames();
const rotations = new DeadlineQueue();

/** With this the stream pulls nothing before its reader waits. */
const NO_QUEUE = { highWaterMark: 0 };

/**
 * The source of its own stream and the listener of its own follower: closures for that would be
 * kept by every idle connection.
 */
export class SseConnection implements UnderlyingDefaultSource<Uint8Array>, Listener {
  readonly #stream: StreamState;
  readonly #follower: Follower;
  readonly #rotation: Deadline;
  /** Where the next event begins: where bytes were held back, it lies before `#sentUpTo`. */
  #position: number;
  #sentUpTo: number;
  #cursor: string;
  /** The reader had everything and was ready for more when it last came for it. */
  #waiting = false;
  /** Nothing comes after the event that was last encoded. */
  #last = false;
  #rotating = false;
  /** The reader waits for an event. */
  #wanted = false;
  #loading = false;
  #ended = false;
  #first: Uint8Array | undefined;
  #forgoEnd: (() => void) | undefined;
  #onEnded: (() => void) | undefined;
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
    this.#sentUpTo = start;
    this.#cursor = nextCursor(clientCursor, Date.now(), Math.random);
    this.#rotation = {
      at: performance.now() + ROTATE_MS + Math.random() * ROTATE_SPREAD_MS,
      expire: () => this.#rotate(),
    };
  }

  /** The first event, of what is stored already; at the tail it is a control event alone. */
  async first(): Promise<Uint8Array> {
    return this.#cachedFrame() ?? await this.#loadFrame();
  }

  /** A reader that disconnects cancels it, on Deno and on Bun: no AbortSignal is needed. */
  body(first: Uint8Array): ReadableStream<Uint8Array> {
    this.#first = first;
    return new ReadableStream<Uint8Array>(this, NO_QUEUE);
  }

  /** Ends after the event in progress when the reader's token ends. Call once the body is there. */
  endWith(principal: Principal): void {
    this.#forgoEnd = principal.onEnd(() => {
      if (!this.#rotating && !this.#ended) this.#rotate();
    });
  }

  /** Sets what is called once when the connection has ended. */
  onEnded(listener: () => void): void {
    if (this.#ended) listener();
    else this.#onEnded = listener;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    measureEvent(this.#first!);
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

  onChange(): void {
    this.#advance();
  }

  /** Sends the next event if the reader waits for one. Called whenever there may be one. */
  #advance(): void {
    if (!this.#wanted || this.#loading || this.#ended) return;
    if (this.#last || this.#rotating) return this.#close();
    const status = this.#follower.status(this.#sentUpTo);
    if (status === "nothing") {
      this.#waiting = true;
      return;
    }
    if (status !== "more") return this.#close();
    try {
      const frame = this.#cachedFrame();
      if (frame !== null) return this.#send(frame);
    } catch (error) {
      // An error must not reach the hub, which has other listeners to notify.
      return this.#failOrClose(error);
    }
    this.#loading = true;
    this.#loadFrame().then((loaded) => {
      this.#loading = false;
      if (!this.#ended) this.#send(loaded);
    }, (error) => {
      this.#loading = false;
      this.#failOrClose(error);
    });
  }

  #send(frame: Uint8Array): void {
    this.#wanted = false;
    measureEvent(frame);
    if (this.#waiting) {
      measurements.deliveries.observe(performance.now() - this.#follower.changedAt);
    }
    this.#waiting = false;
    this.#controller!.enqueue(frame);
  }

  #cachedFrame(): Uint8Array | null {
    const { extent, shared } = this.#follower;
    const cursor = this.#updateCursor();
    let frame = frames.get(shared, this.#position, extent, cursor);
    if (frame === null) {
      const page = this.#follower.cachedPage(this.#position);
      if (page === null) return null;
      frame = frames.encode(shared, this.#stream, page, extent, cursor);
    }
    return this.#advanceBy(frame);
  }

  async #loadFrame(): Promise<Uint8Array> {
    const { extent, shared } = this.#follower;
    const page = await this.#follower.page(this.#position);
    return this.#advanceBy(frames.encode(shared, this.#stream, page, extent, this.#updateCursor()));
  }

  #advanceBy(frame: SseFrame): Uint8Array {
    measurements.messagesSent += frame.messages;
    this.#position = frame.next;
    this.#sentUpTo = frame.end;
    this.#last = frame.last;
    return frame.bytes;
  }

  #updateCursor(): string {
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

  /** What comes next was dropped: the reader gets a 410 for it when it comes back. */
  #failOrClose(error: unknown): void {
    const isTrimmed = error instanceof Refused && error.refusal.kind === "trimmed";
    if (isTrimmed && !this.#ended) this.#close();
    else this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#end();
    this.#controller!.error(error);
  }

  #end(): void {
    this.#ended = true;
    rotations.remove(this.#rotation);
    this.#forgoEnd?.();
    this.#onEnded?.();
    this.#follower.unsubscribe();
  }
}

function measureEvent(frame: Uint8Array): void {
  measurements.eventsSent++;
  measurements.bytesSent += frame.length;
}
