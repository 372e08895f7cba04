-- The states of a stream's producers, the `shown` that appended last, and how many producers
-- there are among the first `most` by name. The others are skipped, so that it takes a bounded
-- time.
create or replace function penstock.stream_producers(stream bigint, shown integer, most integer)
returns table (
  producer_id text, epoch bigint, last_seq bigint, appended_at_ms bigint, total bigint
)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
as $$
begin
  return query
    with recursive newest as (
      (
        select p.producer_id, p.epoch, p.last_seq, p.appended_at, 1 as place
        from penstock.producers p
        where p.stream_id = stream
        order by p.producer_id, p.epoch desc, p.last_seq desc limit 1
      )
      union all
      select n.producer_id, n.epoch, n.last_seq, n.appended_at, w.place + 1
      from newest w
      cross join lateral (
        select p.producer_id, p.epoch, p.last_seq, p.appended_at
        from penstock.producers p
        where p.stream_id = stream and p.producer_id > w.producer_id
        order by p.producer_id, p.epoch desc, p.last_seq desc limit 1
      ) n
      where w.place < most
    )
    select w.producer_id, w.epoch, w.last_seq,
      (extract(epoch from w.appended_at) * 1000)::bigint, count(*) over ()
    from newest w
    order by w.appended_at desc nulls last, w.producer_id
    limit shown;
end
$$;
