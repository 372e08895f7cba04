-- The state of these producers, the newest of their rows; no row for one of which nothing is
-- stored.
create or replace function penstock.load_producers(streams bigint[], ids text[])
returns setof penstock.producers
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  return query
    select newest.*
    from unnest(streams, ids) as r(stream_id, producer_id)
    cross join lateral (
      select p.* from penstock.producers p
      where p.stream_id = r.stream_id and p.producer_id = r.producer_id
      order by p.epoch desc, p.last_seq desc
      limit 1
    ) newest;
end
$$;
