/** Pieces: an answer that goes across a fork's cuts is taken apart there, and loses nothing. */
import assert from "node:assert/strict";
import { HistoryRecorder, type Read } from "./history.ts";
import { cutUp, piecesOf, storedIn } from "./pieces.ts";
import { bodyOf, storedBytes } from "./records.ts";

const START = 100;

/** A record, 30 bytes of a second one, and a third. */
function example() {
  const history = new HistoryRecorder();
  const shapes = [1, 2, 3].map(() => history.newRecord("s", 2, 20));
  const [one, two, three] = shapes.map(storedBytes);
  const cut = START + one!.length + 30;
  const stored = Uint8Array.from([...one!, ...two!.subarray(0, 30), ...three!]);
  return { history, shapes, cut, stored };
}

Deno.test("an answer across a cut is two pieces, and only the last one says how far it goes", () => {
  const { cut, stored, history } = example();
  const range = { start: START, end: START + stored.length, upToDate: true, closed: true };
  const pieces = cutUp([START, cut, range.end], range, stored);
  assert.deepEqual(
    pieces.map(({ start, end, upToDate, closed, records, flaws }) => (
      { start, end, upToDate, closed, records, flaws }
    )),
    [
      { start: START, end: cut, upToDate: false, closed: false, records: [1], flaws: [] },
      { start: cut, end: range.end, upToDate: true, closed: true, records: [3], flaws: [] },
    ],
  );
  assert.deepEqual(storedIn(history, pieces as unknown as Read[]), stored);
  assert.equal(cutUp([], range, stored)[0]!.flaws.length, 1);
});

Deno.test("whatever piece of a fork is read, its bytes are those of its pieces", () => {
  const { cut, stored, history } = example();
  for (let from = 0; from < stored.length; from += 7) {
    for (let to = from; to <= stored.length; to += 11) {
      const range = { start: START + from, end: START + to, upToDate: false, closed: false };
      const pieces = cutUp([cut], range, stored.subarray(from, to));
      assert.deepEqual(pieces.flatMap(({ flaws }) => flaws), [], `${from} to ${to}`);
      assert.equal(pieces.length, range.start < cut && cut < range.end ? 2 : 1);
      assert.deepEqual(storedIn(history, pieces as unknown as Read[]), stored.slice(from, to));
    }
  }
});

Deno.test("JSON is cut between messages, and no answer is one empty piece", () => {
  const { shapes } = example();
  const [shape] = shapes;
  const stream = { path: "s", contentType: "application/json", incarnation: 1 };
  const length = storedBytes(shape!).length;
  const range = { start: 0, end: length, upToDate: true, closed: false };
  const cut = length / 2;
  const pieces = piecesOf({ ...stream, cuts: [cut] }, range, bodyOf(shape!, true));
  assert.deepEqual(pieces.map(({ start, end }) => [start, end]), [[0, cut], [cut, length]]);
  const none = piecesOf({ ...stream, cuts: [cut] }, { ...range, end: null }, new Uint8Array(0));
  assert.deepEqual(none.map(({ records, end }) => ({ records, end })), [{
    records: [],
    end: null,
  }]);
});
