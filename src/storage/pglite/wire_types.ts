/** Types and formats of values in PostgreSQL's wire protocol. */

/** A column of a result: its name and the oid of its type. */
export interface Column {
  readonly name: string;
  readonly type: number;
}

export const BOOL = 16;
export const BYTEA = 17;
export const INT8 = 20;
export const INT2 = 21;
export const INT4 = 23;
export const OID = 26;
export const JSON_TYPE = 114;
export const FLOAT4 = 700;
export const FLOAT8 = 701;
export const JSONB = 3802;

/** Types asked for in binary: shorter to carry, and no text to parse. */
export const BINARY = new Set([BOOL, BYTEA, INT8, INT2, INT4]);

export const TEXT_FORMAT = 0;
export const BINARY_FORMAT = 1;
