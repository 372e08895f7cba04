/**
 * Server-Sent Events (protocol section 5.8): what a `data` and a `control` event look like on the
 * wire. Events are strings until `encodeEvents`, so that a data event and its control event become
 * bytes together, once for all followers at that position.
 */
import { renderMessages } from "./json_mode.ts";

/** What a control event says. */
export interface Control {
  /** Where to read on: an offset token, never a sentinel. */
  streamNextOffset: string;
  /** Required while the stream is open; not sent once it is closed. */
  streamCursor?: string;
  upToDate?: boolean;
  /** The stream is closed and everything in it has been sent. Implies `upToDate`. */
  streamClosed?: boolean;
}

const CR = 0x0d;

const utf8 = new TextEncoder();
// A byte order mark inside a stream is part of its text: a decoder that drops it, as is the
// default, would drop it at the beginning of every event.
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * An event with an id, which is how a browser's EventSource remembers where to read on: what it has
 * got when it dispatches the event is what comes before this offset.
 */
export function withId(event: string, offset: string): string {
  return `id:${offset}\n${event}`;
}

/** The bytes of some events, in order. */
export function encodeEvents(...events: string[]): Uint8Array<ArrayBuffer> {
  return utf8.encode(events.length === 1 ? events[0] : events.join(""));
}

/** A `control` event. Fields that are false are left out, as is the cursor of a closed stream. */
export function encodeControl(control: Control): string {
  const closed = control.streamClosed === true;
  const json = JSON.stringify({
    streamNextOffset: control.streamNextOffset,
    streamCursor: closed ? undefined : control.streamCursor,
    upToDate: closed || control.upToDate === true ? true : undefined,
    streamClosed: closed ? true : undefined,
  });
  return `event: control\ndata:${json}\n\n`;
}

/**
 * A `data` event with the text of a textual stream. What a parser gets back is the text with CR LF
 * and CR turned into LF; SSE cannot carry those.
 *
 * Every kind of line end starts a new `data:` line, so no text can begin a field or end the event.
 * No space is put after the colon, for the conformance suite expects `data:line1`, except where the
 * line itself begins with a space: parsers remove one. The official server does not do that, and
 * loses the space.
 */
export function encodeTextData(text: string): string {
  const lines = text.replace(/(?:\r\n?|\n)( ?)/g, "\ndata:$1$1");
  return `event: data\ndata:${text.startsWith(" ") ? " " : ""}${lines}\n\n`;
}

/** A `data` event with the bytes of any other stream, as standard base64 on one line. */
export function encodeBase64Data(bytes: Uint8Array): string {
  return `event: data\ndata:${bytes.toBase64()}\n\n`;
}

/**
 * A `data` event with stored JSON messages, as one array, and how many they are. Line ends in it can
 * only be white space between JSON tokens, so it means the same when they have become LF.
 */
export function encodeJsonData(
  stored: Uint8Array,
): { readonly event: string; readonly messages: number } {
  const { bytes, messages } = renderMessages(stored);
  return { event: encodeTextData(lenientUtf8.decode(bytes)), messages };
}

/**
 * The longest prefix of `bytes` that can go out as an event of its own: it neither tears a
 * character nor ends in a CR whose LF may be yet to come, which would count as two line ends.
 * `used` is its length in bytes; go on from there with what follows.
 *
 * With `final` nothing follows: all bytes are used. What is not UTF-8 becomes U+FFFD.
 */
export function splitText(bytes: Uint8Array, final: boolean): { text: string; used: number } {
  const used = final ? bytes.length : bytes.length - heldBack(bytes);
  return { text: lenientUtf8.decode(bytes.subarray(0, used)), used };
}

/** How many bytes at the end are the beginning of something longer: 0 to 3. */
function heldBack(bytes: Uint8Array): number {
  const length = bytes.length;
  if (bytes[length - 1] === CR) return 1;
  for (let back = 1; back <= Math.min(3, length); back++) {
    const byte = bytes[length - back]!;
    const isContinuation = byte >= 0x80 && byte <= 0xbf;
    if (isContinuation) continue;
    if (back >= sequenceLength(byte)) return 0;
    return back === 1 || mayFollow(byte, bytes[length - back + 1]!) ? back : 0;
  }
  return 0;
}

/** The length of the character that `lead` begins, in bytes; 1 for what begins none. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}

/**
 * Whether a continuation byte may come second after `lead`. Overlong forms, surrogates and code
 * points beyond U+10FFFF are invalid from the second byte on: no later byte can make them valid.
 */
function mayFollow(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second <= 0x8f;
  return true;
}
