/**
 * The histories speak of positions, servers of tokens. This makes the one of the other: a token names
 * the stream that stored the byte before its position, as the tokens that were seen have told.
 */
import { decodeOffset, encodeOffset } from "../../src/protocol/offset.ts";
import type { Fork } from "./history.ts";
import type { StreamName } from "./stream_name.ts";

type Named = Pick<StreamName, "path" | "incarnation">;

export class OffsetTokens {
  /** The generation of what is a stream's own. */
  readonly #generations = new Map<string, number>();
  readonly #forks = new Map<string, { readonly source: Named; readonly position: number }>();
  /** The incarnation of a path that an answer was last about. */
  readonly #incarnations = new Map<string, number>();

  /** Call before the fork's first answer. Returns the token to fork at. */
  addFork(stream: Named, { source: path, position, by }: Fork): string {
    const source = { path, incarnation: this.#incarnations.get(path) ?? 1 };
    this.#forks.set(keyOf(stream), { source, position });
    return this.tokenOf(source, by?.anchor ?? position);
  }

  /** The position in an answer about a stream; null where it has none. */
  positionIn(stream: Named, token: string | null | undefined): number | null {
    const offset = token === null || token === undefined ? null : decodeOffset(token);
    if (offset === null) return null;
    this.#incarnations.set(stream.path, stream.incarnation);
    const { position, generation } = offset;
    const own = position > (this.#forks.get(keyOf(stream))?.position ?? 0);
    if (own) this.#generations.set(keyOf(stream), generation);
    return position;
  }

  /** The token of a position that some answer about the stream, or its source, has shown to be there. */
  tokenOf(stream: Named, position: number): string {
    if (position === 0) return encodeOffset({ position, generation: 0 });
    const fork = this.#forks.get(keyOf(stream));
    if (fork !== undefined && position <= fork.position) {
      return this.tokenOf(fork.source, position);
    }
    const generation = this.#generations.get(keyOf(stream));
    if (generation === undefined) throw new Error(`no answer about ${stream.path} had an offset`);
    return encodeOffset({ position, generation });
  }
}

function keyOf({ path, incarnation }: Named): string {
  return `${path}#${incarnation}`;
}
