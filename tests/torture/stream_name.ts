/** A stream as clients know it. */
export interface StreamName {
  readonly path: string;
  readonly contentType: string;
  readonly incarnation: number;
  /** Where what it inherited from one stream ends, in order; a fork of a fork may have several. */
  readonly cuts?: readonly number[];
}

export function isJson({ contentType }: StreamName): boolean {
  return contentType === "application/json";
}
