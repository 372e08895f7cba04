/** Very many streams at once, made by SQL as a node would have made them over days. */
import type { Database } from "../../src/storage/database.ts";

const BATCH = 50_000;

/** What the oldest segment of a stream holds, and the newest. */
export const OLD_BYTES = 200;
export const NEW_BYTES = 100;

/**
 * Streams `logs/000/0000000` and on, a thousand in each folder. Each has a segment of two days ago and
 * one of now, every tenth a producer.
 */
export async function fill(database: Database, streams: number): Promise<void> {
  for (let from = 0; from < streams; from += BATCH) {
    const to = Math.min(streams, from + BATCH);
    await database.query(
      `with made as (
        insert into penstock.streams (path, content_type, created_at, labels)
        select format('logs/%s/%s', lpad((n / 1000)::text, 3, '0'), lpad(n::text, 7, '0')),
          'text/plain', clock_timestamp() - interval '2 days',
          case when n % 100 = 0 then jsonb_build_object('team', 'blue') end
        from generate_series($1::bigint, $2::bigint - 1) n
        returning id
      ), stored as (
        insert into penstock.segments (stream_id, position, data, appended_at)
        select m.id, p.position, convert_to(repeat('x', p.length), 'UTF8'), now() - p.age
        from made m cross join (values
          (0, ${OLD_BYTES}, interval '2 days'), (${OLD_BYTES}, ${NEW_BYTES}, interval '0')
        ) as p(position, length, age)
      )
      insert into penstock.producers (stream_id, producer_id, epoch, last_seq)
      select m.id, 'writer', 0, 1 from made m where m.id % 10 = 0`,
      [from, to],
    );
  }
  await database.execute("vacuum analyze penstock.streams");
  await database.execute("vacuum analyze penstock.segments");
  await database.execute("vacuum analyze penstock.producers");
}

/** A subscription that has a cursor in each of the streams. */
export async function subscribeToAll(database: Database): Promise<void> {
  await database.query(
    `with made as (
      insert into penstock.subscriptions (name, type, pattern, pattern_regex, pattern_prefix,
        pattern_suffix, wake_stream, lease_ttl_ms, config_hash)
      values ('all', 'pull-wake', 'logs/**', '^logs/.*$', 'logs/', '', 'wakes', 30000, 'scale')
      returning id
    )
    insert into penstock.subscription_links
      (subscription_id, path, explicit, glob, stream_id, acked)
    select m.id, s.path, false, true, s.id, ${OLD_BYTES + NEW_BYTES}
    from made m cross join penstock.streams s`,
  );
}
