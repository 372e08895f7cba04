/** Loads what is stored of producers. */
import { type Database, numberArray, textArray } from "../../storage/database.ts";
import type { ProducerState } from "./decide.ts";

const COUNT = "select * from penstock.count_producers($1::bigint[], $2::integer)";

const PRODUCERS = "select * from penstock.load_producers($1::bigint[], $2::text[])";

interface ProducerRow {
  stream_id: number;
  producer_id: string;
  epoch: number;
  last_seq: number;
  closed_stream: boolean;
}

export interface ProducerKey {
  readonly streamId: number;
  readonly producerId: string;
}

/** In the order of the keys; null for a producer that has never appended. */
export async function loadProducers(
  database: Database,
  keys: readonly ProducerKey[],
): Promise<(ProducerState | null)[]> {
  const rows = await database.query<ProducerRow>(PRODUCERS, [
    numberArray(keys.map((key) => key.streamId)),
    textArray(keys.map((key) => key.producerId)),
  ]);
  const stored = new Map(rows.map((row) => [`${row.stream_id} ${row.producer_id}`, row]));
  return keys.map(({ streamId, producerId }) => {
    const row = stored.get(`${streamId} ${producerId}`);
    return row === undefined
      ? null
      : { epoch: row.epoch, lastSeq: row.last_seq, closedStream: row.closed_stream };
  });
}

/**
 * How many producers each of these streams has, in their order. Costs an index probe per producer.
 * @param most where to stop counting
 */
export async function countProducers(
  database: Database,
  streamIds: readonly number[],
  most: number,
): Promise<number[]> {
  const rows = await database.query<{ stream_id: number; producers: number }>(COUNT, [
    numberArray(streamIds),
    most,
  ]);
  const counts = new Map(rows.map((row) => [row.stream_id, row.producers]));
  return streamIds.map((id) => counts.get(id) ?? 0);
}
