/**
 * The bounded way of spans to the collector. Spans wait in a queue, and so do those of a batch that is
 * being sent; what comes on top is dropped and counted, as is a batch that the collector did not take.
 * A collector that is away costs spans, and neither memory nor time.
 */
import type { Context } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace";
import { measurements } from "../lib/telemetry/measurements.ts";

/** Spans in one request to the collector. */
const BATCH = 512;
/** Milliseconds between two reports that spans were dropped. */
const QUIET_MS = 60_000;

export interface SpanQueueOptions {
  readonly maxQueued: number;
  readonly delayMs: number;
  /** Called once a minute at most. */
  readonly onDropped: (dropped: number, reason: unknown) => void;
}

export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  readonly #batches: BatchSpanProcessor;
  /** Those being sent included. */
  #queued = 0;
  #unreported = 0;
  #quietUntil = 0;

  constructor(exporter: SpanExporter, options: SpanQueueOptions) {
    this.#options = options;
    const { maxQueued, delayMs } = options;
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, onResult) => this.#send(exporter, spans, onResult),
        shutdown: () => exporter.shutdown(),
      },
      maxQueueSize: maxQueued,
      maxExportBatchSize: Math.min(BATCH, maxQueued),
      scheduledDelayMillis: delayMs,
    });
  }

  onStart(span: Span, parent: Context): void {
    this.#batches.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if (this.#queued >= this.#options.maxQueued) {
      return this.#drop(1, `${this.#options.maxQueued} spans wait for the collector`);
    }
    this.#queued++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #send(
    exporter: SpanExporter,
    spans: ReadableSpan[],
    onResult: (result: ExportResult) => void,
  ): void {
    exporter.export(spans, (result) => {
      this.#queued -= spans.length;
      if (result.code === ExportResultCode.SUCCESS) measurements.spansSent += spans.length;
      else this.#drop(spans.length, result.error ?? "the collector did not take them");
      onResult(result);
    });
  }

  #drop(spans: number, reason: unknown): void {
    measurements.spansDropped += spans;
    this.#unreported += spans;
    if (performance.now() < this.#quietUntil) return;
    this.#quietUntil = performance.now() + QUIET_MS;
    this.#options.onDropped(this.#unreported, reason);
    this.#unreported = 0;
  }
}
