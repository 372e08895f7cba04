-- How many producers each of these streams has, but no more than `most`. It goes from one producer
-- to the next by the key: what is superseded is not read, and `most` bounds what a stream can cost.
create or replace function penstock.count_producers(streams bigint[], most integer)
returns table (stream_id bigint, producers bigint)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  return query
    select r.id, counted.number
    from unnest(streams) as r(id)
    cross join lateral (
      with recursive known (producer_id, nth) as (
        (
          select p.producer_id, 1 from penstock.producers p
          where p.stream_id = r.id
          order by p.producer_id limit 1
        )
        union all
        select (
            select p.producer_id from penstock.producers p
            where p.stream_id = r.id and p.producer_id > k.producer_id
            order by p.producer_id limit 1
          ), k.nth + 1
        from known k
        where k.producer_id is not null and k.nth < most
      )
      select count(k.producer_id) as number from known k
    ) counted;
end
$$;
