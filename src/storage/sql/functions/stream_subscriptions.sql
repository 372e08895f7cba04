-- The subscriptions that a stream is linked to, up to `most` in the order of their names, each
-- with its cursor and the generation of the offset there.
create or replace function penstock.stream_subscriptions(stream bigint, most integer)
returns table (name text, type text, acked bigint, acked_generation bigint)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return query
    select u.name, u.type, c.acked, penstock.generation_at(stream, c.acked)
    from (
      select l.subscription_id, l.acked from penstock.subscription_links l
      where l.stream_id = stream order by l.subscription_id limit most
    ) c
    join penstock.subscriptions u on u.id = c.subscription_id and u.deleted_at is null
    order by u.name;
end
$$;
