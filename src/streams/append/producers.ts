/** Loads what is stored of producers. */
import { type Database, numberArray, textArray } from "../../storage/database.ts";
import type { ProducerState } from "./decide.ts";

const PRODUCERS = `select p.stream_id, p.producer_id, p.epoch, p.last_seq, p.closed_stream
  from unnest($1::bigint[], $2::text[]) as r(stream_id, producer_id)
  join penstock.producers p on p.stream_id = r.stream_id and p.producer_id = r.producer_id`;

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
