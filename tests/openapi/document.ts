/**
 * docs/openapi.yaml, and whether an answer is one of those it has. The packages that read it come as
 * those of the examples do, and never get into deno.lock.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { installNpmPackages, type Packages } from "../clients/packages.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const FILE = join(ROOT, "docs/openapi.yaml");
const PACKAGES = {
  "@seriousme/openapi-schema-validator": "2.11.0",
  "ajv": "8.20.0",
  "ajv-formats": "3.0.1",
  "yaml": "2.9.1",
} as const;

type Json = Readonly<Record<string, unknown>>;

interface Reference {
  readonly $ref?: string;
}

interface Described extends Reference {
  readonly headers?: Readonly<Record<string, Reference & { readonly required?: boolean }>>;
  readonly content?: Readonly<Record<string, { readonly schema: Json }>>;
}

export interface Operation {
  readonly operationId: string;
  readonly security?: readonly Json[];
  readonly requestBody?: Described;
  readonly responses: Readonly<Record<string, Described>>;
}

export const HTTP_METHODS = ["get", "head", "post", "put", "delete", "options"] as const;

interface Validate {
  (value: unknown): boolean;
  readonly errors?: unknown;
}

interface Ajv {
  addSchema(schema: Json, id: string): void;
  compile(schema: Json): Validate;
}

/** What of an answer is compared with the file. */
export interface Answer {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export function installReaders(): Promise<Packages> {
  return installNpmPackages(PACKAGES);
}

/** An operation, with where it stands: `get /v1/stream/{path}`. */
export interface Found {
  readonly name: string;
  readonly operation: Operation;
}

export class OpenApi {
  readonly document: Json;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly #ajv: Ajv;
  readonly #specification: Json;

  /** @param folder where `installReaders` has put the packages */
  constructor(folder: string) {
    const require = createRequire(join(folder, "package.json"));
    const { parse } = require("yaml") as { parse(text: string): Json };
    const { default: Ajv2020 } = require("ajv/dist/2020") as { default: new (o: Json) => Ajv };
    const formats = require("ajv-formats") as { default(ajv: Ajv): void };
    this.document = parse(readFileSync(FILE, "utf8"));
    this.paths = this.document.paths as typeof this.paths;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true });
    formats.default(this.#ajv);
    this.#ajv.addSchema(this.document, "openapi");
    // That package is read, not run: its imports are not to be found from here.
    const schemas = join(folder, "node_modules/@seriousme/openapi-schema-validator/schemas");
    this.#specification = JSON.parse(readFileSync(join(schemas, "v3.1/schema.json"), "utf8"));
  }

  /** What is wrong with the file itself, by the schema of OpenAPI; null: nothing. */
  faults(): string | null {
    const validate = this.#ajv.compile(this.#specification);
    return validate(this.document) ? null : JSON.stringify(validate.errors, null, 1);
  }

  get operations(): readonly Found[] {
    return Object.entries(this.paths).flatMap(([path, item]) =>
      HTTP_METHODS.filter((method) => method in item)
        .map((method) => ({ name: `${method} ${path}`, operation: item[method]! }))
    );
  }

  /** The templates that a path, as sent, is of: the most literal one first. */
  templatesOf(sent: string): readonly string[] {
    const [path = ""] = sent.split("?");
    const literal = (template: string) => template.replace(/\{\w+\}/g, "").length;
    return Object.keys(this.paths)
      .filter((template) => patternOf(template).test(path))
      .toSorted((a, b) => literal(b) - literal(a));
  }

  find(method: string, sent: string): Found | null {
    const key = method.toLowerCase();
    const reserved = sent.startsWith("/v1/stream/__ds");
    for (const template of this.templatesOf(sent)) {
      const operation = this.paths[template]![key];
      // What is below __ds is no stream.
      if (reserved && template === "/v1/stream/{path}" && key !== "options") continue;
      if (operation !== undefined) return { name: `${key} ${template}`, operation };
    }
    return null;
  }

  /** What of the answer the operation does not have. */
  mistakes({ operation }: Found, { status, headers, text, method }: Answer): string[] {
    const described = operation.responses[status];
    if (described === undefined) return [`${status} is not described: ${text.slice(0, 200)}`];
    const response = this.#resolve<Described>(described);
    const missing = Object.entries(response.headers ?? {})
      .filter(([name, header]) => {
        const { required } = this.#resolve<{ required?: boolean }>(header);
        return required === true && !headers.has(name);
      })
      .map(([name]) => `the header ${name} is missing`);
    return [...missing, ...method === "HEAD" ? [] : this.#bodyMistakes(response, headers, text)];
  }

  #bodyMistakes({ content }: Described, headers: Headers, text: string): string[] {
    const type = headers.get("content-type")?.split(";")[0] ?? null;
    if (content === undefined) return text === "" ? [] : ["a body, where none is described"];
    const media = (type === null ? undefined : content[type]) ?? content["*/*"];
    if (media === undefined) return [`a body of ${type}, which is not described`];
    if (type === null || !/json$/.test(type) || !("$ref" in media.schema)) return [];
    return this.schemaMistakes(media.schema, JSON.parse(text));
  }

  /** What a schema of the file has against a value. */
  schemaMistakes(schema: Json, value: unknown): string[] {
    const { $ref } = schema as { $ref: string };
    const validate = this.#ajv.compile({ $ref: `openapi${$ref}` });
    return validate(value) ? [] : [JSON.stringify(validate.errors)];
  }

  /** What a request's body has against the operation's schema of JSON, where it has one. */
  requestMistakes({ operation }: Found, body: unknown): string[] {
    const schema = operation.requestBody?.content?.["application/json"]?.schema;
    return schema === undefined ? [] : this.schemaMistakes(schema, body);
  }

  #resolve<T>(value: Reference): T {
    if (value.$ref === undefined) return value as T;
    const keys = value.$ref.replace(/^#\//, "").split("/");
    return keys.reduce<unknown>((at, key) => (at as Json)[key], this.document) as T;
  }
}

/** A stream's path may have slashes, and so may a token's name; other parameters are one segment. */
function patternOf(template: string): RegExp {
  const pattern = template.replace(/[.*+?^$()[\]\\|]/g, "\\$&")
    .replace(/\{(\w+)\}/g, (_, name) => name === "path" || name === "name" ? ".+" : "[^/]+");
  return new RegExp(`^${pattern}$`);
}
