-- As `changed_streams`, but for one thing: a tail that is lower than the follower knows is not
-- noticed, which is so only when a failover has lost commits. As a rule nothing has changed, and
-- that is seen here at less than half the cost: the rows of all streams are found by one scan of an
-- index, and one probe of the segments' keys says that none begins at the tail or behind it.
create or replace function penstock.grown_streams(ids bigint[], tails bigint[], closes boolean[])
returns table (followed_id bigint, stream penstock.stream_states)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  -- With more, a search through them costs more than it saves.
  most_candidates constant integer := 50;
  present integer;
  candidates bigint[];
begin
  select count(*), array_agg(s.id) filter (where s.state <> 'active'
    or penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds)
    or penstock.needs_renewal(s.last_access, s.ttl_seconds))
  into present, candidates
  from penstock.streams s
  where s.id = any (ids);

  candidates := candidates || array(
    select k.id from unnest(ids, tails) as k(id, tail)
    where exists (
      select from penstock.segments g where g.stream_id = k.id and g.position >= k.tail
    )
  );
  if present < cardinality(ids) or cardinality(candidates) > most_candidates then
    return query select c.followed_id, c.stream from penstock.changed_streams(ids, tails, closes) c;
  elsif cardinality(candidates) > 0 then
    return query
      select c.followed_id, c.stream
      from (
        select array_agg(k.id) as ids, array_agg(k.tail) as tails, array_agg(k.closed) as closes
        from unnest(ids, tails, closes) as k(id, tail, closed)
        where k.id = any (candidates)
      ) k
      cross join lateral penstock.changed_streams(k.ids, k.tails, k.closes) c;
  end if;
end
$$;
