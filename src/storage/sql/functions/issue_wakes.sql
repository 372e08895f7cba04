-- Follows a commit of these streams: links those that are new, marks what is pending, and issues a
-- wake to every subscription that is idle and has work. Returns a row per wake.
--
-- Two rules keep this and the other functions of subscriptions free of races and deadlocks:
--   1. The row lock of a subscription guards the row, its wake and the cursors of its links. A
--      function that takes several takes them in ascending order of id, in a statement of its own,
--      and writes after that.
--   2. Matching new streams with patterns holds lock_key(-2) shared; creating a subscription or
--      adding paths to one holds it exclusively. So when a stream and a subscription come into
--      being at the same time, one of the two transactions sees the other's rows.
--
-- What was committed after a statement's snapshot is seen by the call that follows that commit. A
-- call that comes before an acknowledgement is committed is made good by the one that follows it.
create or replace function penstock.issue_wakes(ids bigint[])
returns table (id bigint, name text, generation bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  fresh bigint[] := '{}';
  match_subscriptions bigint[] := '{}';
  match_streams bigint[] := '{}';
  affected bigint[];
  u record;
begin
  if exists (select from penstock.new_streams n where n.stream_id = any (ids)) then
    perform pg_advisory_xact_lock_shared(penstock.lock_key(-2));
    with taken as (
      select n.stream_id from penstock.new_streams n
      where n.stream_id = any (ids) order by n.stream_id for update
    ), gone as (
      delete from penstock.new_streams n using taken t where n.stream_id = t.stream_id
      returning n.stream_id
    )
    select coalesce(array_agg(g.stream_id), '{}') into fresh from gone g;
    if cardinality(fresh) > 0 then
      select coalesce(array_agg(m.subscription), '{}'), coalesce(array_agg(m.stream), '{}')
      into match_subscriptions, match_streams
      from (
        select v.id as subscription, s.id as stream
        from penstock.streams s
        cross join lateral penstock.path_ends(s.path) e
        join penstock.subscriptions v
          on v.pattern_prefix = e.prefix and v.pattern_suffix = e.suffix
          and v.deleted_at is null and v.pattern is not null
        where s.id = any (fresh) and s.state <> 'deleted'
          and penstock.subscription_matches(v, s.path)
        union
        select l.subscription_id, s.id
        from penstock.streams s
        join penstock.subscription_links l on l.path = s.path and l.stream_id is distinct from s.id
        where s.id = any (fresh) and s.state <> 'deleted'
      ) m;
    end if;
  end if;

  affected := array(
    select l.subscription_id
    from penstock.subscription_links l
    join penstock.stream_states s on s.id = l.stream_id
    join penstock.subscriptions v on v.id = l.subscription_id
    where l.stream_id = any (ids) and s.tail > greatest(l.acked, s.earliest)
      and s.state = 'active' and v.deleted_at is null and (not l.pending or v.phase = 'idle')
    union
    select m from unnest(match_subscriptions) m
  );
  if cardinality(affected) = 0 then
    return;
  end if;
  perform from penstock.subscriptions v where v.id = any (affected) order by v.id
    for no key update;

  if cardinality(fresh) > 0 then
    insert into penstock.subscription_links as k
      (subscription_id, path, explicit, glob, stream_id, acked)
    select v.id, s.path, false, penstock.subscription_matches(v, s.path), s.id,
      coalesce(s.fork_position, 0)
    from unnest(match_subscriptions, match_streams) as m(subscription, stream)
    join penstock.subscriptions v on v.id = m.subscription and v.deleted_at is null
    join penstock.streams s on s.id = m.stream and s.state <> 'deleted'
    where penstock.subscription_matches(v, s.path) or exists (
      select from penstock.subscription_links l where l.subscription_id = v.id and l.path = s.path)
    on conflict (subscription_id, path) do update
    set glob = k.glob or excluded.glob,
        stream_id = excluded.stream_id,
        acked = excluded.acked,
        pending = false,
        reattached = case when k.stream_id is null then k.reattached else (
          select v.generation from penstock.subscriptions v where v.id = k.subscription_id) end
    where k.stream_id is distinct from excluded.stream_id;
  end if;

  update penstock.subscription_links l set pending = true
  from penstock.stream_states s
  where l.stream_id = any (ids) and s.id = l.stream_id and l.subscription_id = any (affected)
    and not l.pending and s.tail > greatest(l.acked, s.earliest) and s.state = 'active';

  for u in
    select v.id, v.name from penstock.subscriptions v
    where v.id = any (affected) and v.phase = 'idle' and v.deleted_at is null
    order by v.id
  loop
    if penstock.has_pending(u.id) then
      id := u.id;
      name := u.name;
      generation := penstock.issue_wake(u.id);
      return next;
    end if;
  end loop;
end
$$;
