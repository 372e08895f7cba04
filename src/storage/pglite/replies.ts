/** Reads the embedded PostgreSQL's replies; `message_writer.ts` writes the requests. */
import {
  BINARY,
  BOOL,
  BYTEA,
  type Column,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  JSON_TYPE,
  JSONB,
  OID,
} from "./wire_types.ts";

/** The reply to one call. */
export interface Reply {
  /** Values in the order of the columns, rows in the order of the result. */
  readonly rows: unknown[][];
  /** From RowDescription: undefined when none came. Empty for a statement without a result. */
  columns: Column[] | undefined;
  error: StatementError | undefined;
  /** The tag of the last command: `INSERT 0 1`, `COMMIT`. */
  command: string;
  /** Whether ReadyForQuery was received: the server has finished the call, and still runs. */
  ready: boolean;
}

/** PostgreSQL refused a statement. The fields are named as postgres.js names them. */
export class StatementError extends Error {
  override name = "StatementError";
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly severity: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly constraint_name: string | undefined;

  constructor(fields: ReadonlyMap<string, string>) {
    super(fields.get("M") ?? "unknown error");
    this.code = fields.get("C") ?? "XX000";
    this.severity = fields.get("V") ?? fields.get("S") ?? "ERROR";
    this.detail = fields.get("D");
    this.hint = fields.get("H");
    this.constraint_name = fields.get("n");
  }
}

/**
 * Reads all replies to one call. `bytes` may be overwritten afterwards: what is kept is copied.
 * @param columns as described when the statement was prepared; with `undefined` the reply is that
 * of a simple query, which describes its results itself and sends them as text.
 */
export function readReply(bytes: Uint8Array, columns: readonly Column[] | undefined): Reply {
  const reader = new Reader(bytes);
  const reply: Reply = {
    rows: [],
    columns: undefined,
    error: undefined,
    command: "",
    ready: false,
  };
  while (reader.at < bytes.length) {
    const kind = String.fromCharCode(reader.int8());
    const next = reader.at + reader.int32();
    if (kind === "D") reply.rows.push(readRow(reader, columns ?? reply.columns!, columns));
    else if (kind === "T") reply.columns = readColumns(reader);
    else if (kind === "n") reply.columns = [];
    else if (kind === "E") reply.error ??= new StatementError(readFields(reader));
    else if (kind === "C") reply.command = reader.string();
    else if (kind === "Z") reply.ready = true;
    reader.at = next;
  }
  return reply;
}

function readRow(
  reader: Reader,
  columns: readonly Column[],
  binary: readonly Column[] | undefined,
): unknown[] {
  const count = reader.int16();
  const row = new Array<unknown>(count);
  for (let at = 0; at < count; at++) {
    const length = reader.int32();
    const type = columns[at]!.type;
    row[at] = length < 0
      ? null
      : binary !== undefined && BINARY.has(type)
      ? readBinary(reader, type, length)
      : fromText(reader.text(length), type);
  }
  return row;
}

function readBinary(reader: Reader, type: number, length: number): unknown {
  switch (type) {
    case BOOL:
      return reader.int8() !== 0;
    case INT2:
      return reader.int16();
    case INT4:
      return reader.int32();
    case INT8:
      return reader.int32() * 2 ** 32 + reader.uint32();
    default:
      return reader.copy(length);
  }
}

/** Arrays, timestamps and numerics stay text, as they do with the options postgres.ts gives. */
function fromText(text: string, type: number): unknown {
  switch (type) {
    case BOOL:
      return text === "t";
    case BYTEA:
      return Uint8Array.fromHex(text.slice(2));
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case FLOAT4:
    case FLOAT8:
      return Number(text);
    case JSON_TYPE:
    case JSONB:
      return JSON.parse(text);
    default:
      return text;
  }
}

function readColumns(reader: Reader): Column[] {
  return Array.from({ length: reader.int16() }, () => {
    const name = reader.string();
    reader.at += 6; // the table and the attribute it came from
    const type = reader.int32();
    reader.at += 8; // size, modifier, format
    return { name, type };
  });
}

function readFields(reader: Reader): Map<string, string> {
  const fields = new Map<string, string>();
  for (let kind = reader.int8(); kind !== 0; kind = reader.int8()) {
    fields.set(String.fromCharCode(kind), reader.string());
  }
  return fields;
}

const decoder = new TextDecoder();

class Reader {
  at = 0;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  int8(): number {
    return this.#view.getInt8(this.at++);
  }

  int16(): number {
    this.at += 2;
    return this.#view.getInt16(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.#view.getInt32(this.at - 4);
  }

  uint32(): number {
    this.at += 4;
    return this.#view.getUint32(this.at - 4);
  }

  text(length: number): string {
    this.at += length;
    return decoder.decode(this.#bytes.subarray(this.at - length, this.at));
  }

  copy(length: number): Uint8Array {
    this.at += length;
    return this.#bytes.slice(this.at - length, this.at);
  }

  /** A string that ends with a zero byte. */
  string(): string {
    const end = this.#bytes.indexOf(0, this.at);
    const text = decoder.decode(this.#bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }
}
