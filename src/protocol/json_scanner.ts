/**
 * One pass over a request body in JSON mode, byte by byte: it validates the grammar (RFC 8259), bounds
 * the depth and copies the messages, and it can be interrupted anywhere, so that a large body does not
 * keep the event loop from others. JSON.parse cannot be interrupted, and builds what nobody reads.
 */

/** The body is not the JSON text it claims to be. HTTP: 400. */
export class InvalidJson extends Error {
  override readonly name: string = "InvalidJson";

  /** The message holds nothing of the body, and is the same on every runtime. */
  constructor(options?: ErrorOptions) {
    super("The body is not valid JSON in UTF-8", options);
  }
}

/** Its arrays and objects are nested deeper than is taken. HTTP: 400. */
export class JsonTooDeep extends InvalidJson {
  override readonly name = "JsonTooDeep";
  override readonly message = `JSON is nested at most ${MAX_DEPTH} deep`;
}

/** The byte after every stored message: RECORD SEPARATOR. */
export const MESSAGE_END = 0x1e;

/** Arrays and objects inside each other. The strictest parsers in use take 512 or 1,000. */
export const MAX_DEPTH = 1000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const ARRAY_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const ARRAY_CLOSE = 0x5d;
const OBJECT_OPEN = 0x7b;
const OBJECT_CLOSE = 0x7d;

/** What may come next. */
const VALUE = 0;
const VALUE_OR_CLOSE = 1;
const KEY = 2;
const KEY_OR_CLOSE = 3;
const AFTER_KEY = 4;
const AFTER_VALUE = 5;
const NOTHING = 6;
const INSIDE_VALUE_STRING = 7;
const INSIDE_KEY_STRING = 8;

const LITERALS = new Map(
  ["true", "false", "null"].map((text) => [text.charCodeAt(0), new TextEncoder().encode(text)]),
);

export class JsonScanner {
  readonly #body: Uint8Array;
  readonly #out: Uint8Array<ArrayBuffer>;
  /** Of the arrays and objects that are open, from the outermost: 1 is an array. */
  readonly #isArray = new Uint8Array(MAX_DEPTH + 1);
  #at = 0;
  #length = 0;
  #depth = 0;
  #state = VALUE;
  /** The depth up to which white space and punctuation are left out: 1 in a top-level array. */
  #outerDepth = 0;
  #messages = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
    // Of n elements come at least n + 1 brackets and commas, so their n terminators fit.
    this.#out = new Uint8Array(body.length + 1);
  }

  /**
   * Goes on for about so many bytes. Returns whether the body has been scanned to its end.
   * @throws InvalidJson
   */
  run(bytes: number): boolean {
    const body = this.#body;
    const stop = Math.min(this.#at + bytes, body.length);
    while (this.#at < stop) {
      const byte = body[this.#at]!;
      if (this.#state >= INSIDE_VALUE_STRING) {
        this.#scanString(stop);
      } else if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        this.#at++;
        if (this.#depth > this.#outerDepth) this.#out[this.#length++] = byte;
      } else {
        this.#scanToken(byte, stop);
      }
    }
    if (stop < body.length) return false;
    if (this.#state !== NOTHING) throw new InvalidJson();
    return true;
  }

  /** What is stored of a body that has been scanned to its end. */
  result(): { bytes: Uint8Array<ArrayBuffer>; messages: number } {
    if (this.#outerDepth === 0) {
      this.#out[this.#length++] = MESSAGE_END;
      this.#messages = 1;
    }
    // A copy, not a view: white space left out must not stay in memory behind a cached segment.
    const bytes = this.#length === this.#out.length ? this.#out : this.#out.slice(0, this.#length);
    return { bytes, messages: this.#messages };
  }

  #scanToken(byte: number, stop: number): void {
    switch (this.#state) {
      case VALUE:
        return this.#scanValue(byte, stop);
      case VALUE_OR_CLOSE:
        return byte === ARRAY_CLOSE ? this.#close(byte) : this.#scanValue(byte, stop);
      case KEY_OR_CLOSE:
        if (byte === OBJECT_CLOSE) return this.#close(byte);
        return this.#scanKey(byte, stop);
      case KEY:
        return this.#scanKey(byte, stop);
      case AFTER_KEY:
        if (byte !== COLON) throw new InvalidJson();
        this.#copy(byte);
        this.#state = VALUE;
        return;
      case AFTER_VALUE:
        if (byte !== COMMA) return this.#close(byte);
        if (this.#depth <= this.#outerDepth) this.#endMessage();
        else this.#out[this.#length++] = byte;
        this.#at++;
        this.#state = this.#isArray[this.#depth] === 1 ? VALUE : KEY;
        return;
      default:
        throw new InvalidJson();
    }
  }

  #scanKey(byte: number, stop: number): void {
    if (byte !== QUOTE) throw new InvalidJson();
    this.#copy(byte);
    this.#state = INSIDE_KEY_STRING;
    this.#scanString(stop);
  }

  #scanValue(byte: number, stop: number): void {
    if (byte === QUOTE) {
      this.#copy(byte);
      this.#state = INSIDE_VALUE_STRING;
      this.#scanString(stop);
    } else if (byte === OBJECT_OPEN || byte === ARRAY_OPEN) {
      this.#open(byte);
    } else if (byte === MINUS || isDigit(byte)) {
      this.#copyUpTo(this.#endOfNumber());
      this.#endValue();
    } else {
      this.#copyUpTo(this.#endOfLiteral(byte));
      this.#endValue();
    }
  }

  #open(byte: number): void {
    const isArray = byte === ARRAY_OPEN;
    // The array around the messages is no part of any.
    if (isArray && this.#depth === 0) this.#outerDepth = 1;
    else this.#out[this.#length++] = byte;
    this.#at++;
    if (++this.#depth > MAX_DEPTH) throw new JsonTooDeep();
    this.#isArray[this.#depth] = isArray ? 1 : 0;
    this.#state = isArray ? VALUE_OR_CLOSE : KEY_OR_CLOSE;
  }

  #close(byte: number): void {
    const expected = this.#isArray[this.#depth] === 1 ? ARRAY_CLOSE : OBJECT_CLOSE;
    if (byte !== expected) throw new InvalidJson();
    if (this.#depth <= this.#outerDepth) {
      if (this.#state === AFTER_VALUE) this.#endMessage();
    } else {
      this.#out[this.#length++] = byte;
    }
    this.#at++;
    this.#depth--;
    this.#endValue();
  }

  #endValue(): void {
    this.#state = this.#depth === 0 ? NOTHING : AFTER_VALUE;
  }

  #endMessage(): void {
    this.#out[this.#length++] = MESSAGE_END;
    this.#messages++;
  }

  #copy(byte: number): void {
    this.#out[this.#length++] = byte;
    this.#at++;
  }

  /** From after its opening quote, or from where it was interrupted. */
  #scanString(stop: number): void {
    const body = this.#body;
    const out = this.#out;
    let at = this.#at;
    let length = this.#length;
    while (at < stop) {
      const byte = body[at++]!;
      out[length++] = byte;
      if (byte === QUOTE) {
        this.#at = at;
        this.#length = length;
        if (this.#state === INSIDE_KEY_STRING) this.#state = AFTER_KEY;
        else this.#endValue();
        return;
      }
      if (byte === BACKSLASH) {
        // An escape is not interrupted.
        for (const end = at + escapeLength(body, at); at < end; at++) out[length++] = body[at]!;
      } else if (byte < 0x20) {
        throw new InvalidJson();
      }
    }
    this.#at = at;
    this.#length = length;
  }

  #copyUpTo(end: number): void {
    const body = this.#body;
    const out = this.#out;
    let length = this.#length;
    for (let at = this.#at; at < end; at++) out[length++] = body[at]!;
    this.#at = end;
    this.#length = length;
  }

  #endOfNumber(): number {
    const body = this.#body;
    let at = this.#at;
    if (body[at] === MINUS) at++;
    if (body[at] === 0x30) at++;
    else at = endOfDigits(body, at);
    if (body[at] === POINT) at = endOfDigits(body, at + 1);
    if (body[at] === 0x65 || body[at] === 0x45) {
      at++;
      if (body[at] === 0x2b || body[at] === MINUS) at++;
      at = endOfDigits(body, at);
    }
    return at;
  }

  #endOfLiteral(first: number): number {
    const literal = LITERALS.get(first);
    if (literal === undefined) throw new InvalidJson();
    for (let index = 1; index < literal.length; index++) {
      if (this.#body[this.#at + index] !== literal[index]) throw new InvalidJson();
    }
    return this.#at + literal.length;
  }
}

/** Where at least one digit ends. */
function endOfDigits(body: Uint8Array, start: number): number {
  let at = start;
  while (isDigit(body[at])) at++;
  if (at === start) throw new InvalidJson();
  return at;
}

/** The bytes of an escape, without its backslash. */
function escapeLength(body: Uint8Array, at: number): number {
  const kind = body[at];
  if (kind === 0x75) {
    for (let index = 1; index <= 4; index++) if (!isHex(body[at + index])) throw new InvalidJson();
    return 5;
  }
  // " \ / b f n r t
  const known = kind === QUOTE || kind === BACKSLASH || kind === 0x2f || kind === 0x62 ||
    kind === 0x66 || kind === 0x6e || kind === 0x72 || kind === 0x74;
  if (!known) throw new InvalidJson();
  return 1;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const letter = byte | 0x20;
  return isDigit(byte) || (letter >= 0x61 && letter <= 0x66);
}
