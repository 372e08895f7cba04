/**
 * Spans of requests, commits and queries, sent by OTLP. This is where OpenTelemetry's SDK is loaded, so
 * it is imported only when an endpoint is given.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { parseKeyPairsIntoRecord, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { RequestHead, SharedWork, TracedRequest, Tracing } from "../lib/telemetry/tracing.ts";
import { settlesWithin } from "../lib/timeout.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { statementName } from "./statement_name.ts";
import type { TracingSettings } from "./settings.ts";
import { SpanQueue } from "./span_queue.ts";

/** How long the end of the process waits for a collector to take what is queued. Milliseconds. */
const STOP_MS = 2000;
/** Requests that the span of a commit links to; more are counted as dropped links. */
const MOST_LINKS = 512;
/** Characters of a path. */
const MOST_CHARACTERS = 1024;

export interface TracingParts {
  readonly telemetry: Telemetry;
  readonly version: string;
  /** The name of this node among its peers. */
  readonly node: string;
}

/** A span that what runs now belongs to. */
interface Scope {
  readonly span: Span;
  /** Null: it is shared by several. */
  readonly request: TracedRequest | null;
}

export class OtlpTracing implements Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #scopes = new AsyncLocalStorage<Scope>();
  readonly #propagator = new W3CTraceContextPropagator();

  constructor(settings: TracingSettings, { telemetry, version, node }: TracingParts) {
    const { url, headers, maxQueued, delayMs } = settings;
    // What is not given here, the exporter takes from its own variables.
    const exporter = new OTLPTraceExporter({
      url,
      ...headers === null ? {} : { headers: parseKeyPairsIntoRecord(headers) },
    });
    const own = {
      "service.name": "penstock",
      "service.version": version,
      "service.instance.id": node,
    };
    this.#provider = new TracerProvider({
      resource: defaultResource().merge(resourceFromAttributes(own))
        .merge(detectResources({ detectors: [envDetector] })),
      sampler: samplerOf(settings),
      spanLimits: { linkCountLimit: MOST_LINKS, attributeValueLengthLimit: MOST_CHARACTERS },
      spanProcessors: [
        new SpanQueue(exporter, {
          maxQueued,
          delayMs,
          onDropped: (dropped, error) =>
            telemetry.report({ event: "spans_dropped", dropped, error }),
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer("penstock", version);
  }

  beginRequest(
    parent: { get(name: string): string | null },
    name: string,
  ): TracedRequest | null {
    const context = parent.get("traceparent") === null
      ? ROOT_CONTEXT
      : this.#propagator.extract(ROOT_CONTEXT, parent, HEADERS);
    const span = this.#tracer.startSpan(name, SERVER, context);
    return span.isRecording() ? new RequestSpan(span, this.#scopes) : null;
  }

  currentRequest(): TracedRequest | null {
    return this.#scopes.getStore()?.request ?? null;
  }

  async share<T>({ name, requests, attributes }: SharedWork, run: () => Promise<T>): Promise<T> {
    const served = requests.filter((request) => request instanceof RequestSpan);
    const [first] = served;
    // It is not the own work of the request that happened to begin it.
    if (first === undefined) return await this.#scopes.exit(run);
    // A part of the first one's trace: all of them were sampled, and so it is, whatever the sampler.
    const span = this.#tracer.startSpan(name, {
      attributes,
      links: served.map((request) => ({ context: request.span.spanContext() })),
    }, trace.setSpan(ROOT_CONTEXT, first.span));
    const link = { context: span.spanContext() };
    for (const { span } of served) if (span.isRecording()) span.addLink(link);
    try {
      return await this.#scopes.run({ span, request: null }, run);
    } catch (error) {
      fail(span);
      throw error;
    } finally {
      span.end();
    }
  }

  beginQuery(statement: string): ((failed: boolean) => void) | null {
    const scope = this.#scopes.getStore();
    // What goes on when a request has been answered is not its own.
    if (scope === undefined || !scope.span.isRecording()) return null;
    const name = statementName(statement);
    const span = this.#tracer.startSpan(`query ${name}`, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "postgresql", "db.operation.name": name },
    }, trace.setSpan(ROOT_CONTEXT, scope.span));
    return (failed) => {
      if (failed) fail(span);
      span.end();
    };
  }

  /** Sends what is queued, if the collector takes it soon. */
  async stop(): Promise<void> {
    await settlesWithin(this.#provider.shutdown().catch(() => {}), STOP_MS);
  }
}

class RequestSpan implements TracedRequest {
  readonly span: Span;
  readonly #scopes: AsyncLocalStorage<Scope>;

  constructor(span: Span, scopes: AsyncLocalStorage<Scope>) {
    this.span = span;
    this.#scopes = scopes;
  }

  describe({ requestId, method, path, mode, address }: RequestHead): void {
    this.span.setAttributes({
      "http.request.method": method,
      "url.path": path,
      "network.peer.address": address,
      "penstock.mode": mode,
      "penstock.request_id": requestId,
    });
  }

  run<T>(work: () => T): T {
    return this.#scopes.run({ span: this.span, request: this }, work);
  }

  end({ status, bytes }: { readonly status: number; readonly bytes: number }): void {
    this.span.setAttribute("http.response.status_code", status);
    this.span.setAttribute("http.response.body.size", bytes);
    if (status >= 500) fail(this.span);
    this.span.end();
  }
}

/** Without the error's message, in which there may be what a client sent. */
function fail(span: Span): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
}

const SERVER = { kind: SpanKind.SERVER };

const HEADERS = {
  keys: () => ["traceparent", "tracestate"],
  get: (headers: { get(name: string): string | null }, name: string) =>
    headers.get(name) ?? undefined,
};

function samplerOf({ sampler, ratio }: TracingSettings): Sampler {
  const root = sampler.endsWith("always_on")
    ? new AlwaysOnSampler()
    : sampler.endsWith("always_off")
    ? new AlwaysOffSampler()
    : new TraceIdRatioBasedSampler(ratio);
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}
