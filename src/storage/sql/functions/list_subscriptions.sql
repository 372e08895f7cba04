-- The subscriptions of these names, in byte order of names. Of each, `streams` counts its links,
-- and stops at 10,000.
create or replace function penstock.list_subscriptions(names text[])
returns table (
  name text, type text, pattern text, streams bigint, phase penstock.wake_phase, failures bigint,
  due_at_ms bigint
)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
as $$
begin
  return query
    select u.name, u.type, u.pattern, linked.streams, u.phase, u.failures,
      (extract(epoch from u.due_at) * 1000)::bigint
    from (
      select * from penstock.subscriptions v
      where v.deleted_at is null and v.name = any (names)
    ) u
    cross join lateral (
      select count(*) as streams from (
        select from penstock.subscription_links l where l.subscription_id = u.id limit 10000
      ) l
    ) linked
    order by u.name;
end
$$;
