-- Of streams that are followed, those that are not as their followers know them, or whose TTL is to
-- be renewed. As a rule there are none, so a poll of 1,000 of them carries nothing back. Deleted
-- streams are among them; one that the sweep has taken away comes without a state.
create or replace function penstock.changed_streams(ids bigint[], tails bigint[], closes boolean[])
returns table (followed_id bigint, stream penstock.stream_states)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return query
    select k.id, s
    from unnest(ids, tails, closes) as k(id, tail, closed)
    left join penstock.stream_states s on s.id = k.id
    where s.id is null or s.tail <> k.tail or s.closed <> k.closed or s.state <> 'active'
      or s.expired or s.renews_ttl;
end
$$;
