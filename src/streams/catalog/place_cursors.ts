/**
 * Places in the listing that its reader must not learn: a path that no rule of a principal covers,
 * encrypted. Every node of a database has the same key.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { invalidRequest } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";

/** Reserved, so no path begins so. */
const PREFIX = "__ds/";
/** Bytes of every sealed path, with its length before it: its own length tells nothing. */
const SEALED = 1536;
const IV = 12;

export class PlaceCursors {
  readonly #database: Database;
  #key: Promise<CryptoKey> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws DatabaseUnavailable */
  async seal(path: string): Promise<string> {
    const bytes = Buffer.from(path, "utf8");
    const padded = Buffer.alloc(SEALED);
    padded.writeUInt16BE(bytes.length);
    bytes.copy(padded, 2);
    const iv = new Uint8Array(randomBytes(IV));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await this.#use(), padded);
    return PREFIX + Buffer.concat([iv, new Uint8Array(sealed)]).toString("base64url");
  }

  /** The path of a cursor, or of one that is a path. @throws Refused `invalid`, DatabaseUnavailable */
  async open(cursor: string): Promise<string> {
    const bytes = Buffer.from(cursor.slice(PREFIX.length), "base64url");
    try {
      const opened = Buffer.from(
        await crypto.subtle.decrypt(
          { name: "AES-GCM", iv: new Uint8Array(bytes.subarray(0, IV)) },
          await this.#use(),
          new Uint8Array(bytes.subarray(IV)),
        ),
      );
      return opened.toString("utf8", 2, 2 + opened.readUInt16BE());
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw invalidRequest("after is a next_after that this server did not give");
    }
  }

  #use(): Promise<CryptoKey> {
    this.#key ??= this.#load().catch((error) => {
      this.#key = null;
      throw error;
    });
    return this.#key;
  }

  /** Makes the key if there is none: of several nodes that do, the first one's stays. */
  async #load(): Promise<CryptoKey> {
    const jwk = { kty: "oct", k: randomBytes(32).toString("base64url") };
    await this.#database.query("select penstock.add_key($1, 'listing', $2)", [
      `ds_${randomBytes(24).toString("base64url")}`,
      JSON.stringify(jwk),
    ]);
    const [row] = await this.#database.query<{ jwk: string }>(
      "select jwk from penstock.keys where purpose = 'listing' and retired_at is null",
    );
    const { k } = JSON.parse(row!.jwk) as { k: string };
    const raw = new Uint8Array(Buffer.from(k, "base64url"));
    return await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
  }
}

/** Whether this is a sealed place, and not a path. */
export function isPlaceCursor(after: string): boolean {
  return after.startsWith(PREFIX);
}

/** Characters of every cursor. */
export const CURSOR_LENGTH = PREFIX.length + Math.ceil((SEALED + IV + 16) * 4 / 3);
