/** From a writer that is given a function to write with, to pieces that are taken one by one. */

export type Write = (piece: Uint8Array<ArrayBuffer>) => Promise<void>;

/**
 * The pieces that `run` writes. It is suspended while its last piece is not taken. Where its caller
 * takes no more, `write` rejects.
 */
export async function* dumpPieces(
  run: (write: Write) => Promise<void>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let offered = Promise.withResolvers<Uint8Array<ArrayBuffer> | null>();
  let taken = Promise.withResolvers<void>();
  let ended = false;
  const running = run((piece) => {
    if (ended) return Promise.reject(new Error("the dump is not wanted any more"));
    taken = Promise.withResolvers<void>();
    offered.resolve(piece);
    return taken.promise;
  }).then(() => offered.resolve(null), (error) => offered.reject(error));
  try {
    while (true) {
      const piece = await offered.promise;
      if (piece === null) return;
      offered = Promise.withResolvers();
      yield piece;
      taken.resolve();
    }
  } finally {
    ended = true;
    offered.promise.catch(() => {});
    taken.promise.catch(() => {});
    taken.reject(new Error("the dump is not wanted any more"));
    await running;
  }
}
