-- Applies acknowledgements to the wake in flight, and ends it (`finishes`) or extends its lease
-- (protocol sections 7.1 and 7.2). `trusted`: the acknowledgements are the snapshot of a wake that
-- was answered with done, and are applied as far as they still hold, never refused.
-- outcome: 'ok', 'not_found', 'fenced', 'expired' (fenced, and only now found to be),
-- 'invalid_offset' (`detail` begins with the path and says why; nothing is applied). `streams` are
-- the ids of the streams whose cursors were set, with commas between.
create or replace function penstock.ack_wake(
  subscription bigint, wake_generation bigint, wake text, paths text[], positions bigint[],
  generations bigint[], finishes boolean, trusted boolean
) returns table (outcome text, detail text, next_generation bigint, streams text)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
  touched text;
  problem text;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return query select 'not_found', null::text, null::bigint, null::text;
    return;
  elsif u.generation <> wake_generation or u.wake_id is distinct from wake
    or (u.type = 'pull-wake' and u.phase <> 'claimed') then
    return query select 'fenced', null::text, null::bigint, null::text;
    return;
  elsif u.due_at <= clock_timestamp() then
    return query select 'expired', u.holder, penstock.end_wake(u.id), null::text;
    return;
  end if;

  if not trusted then
    -- A link whose stream is gone, or was replaced during this wake, takes no acknowledgement and
    -- refuses none.
    select case
        when l.path is null then r.path || ' is not a stream of this subscription'
        when l.stream_id is not null
          and r.generation <> penstock.generation_at(l.stream_id, r.position)
          then r.path || ': the offset is of another stream'
        when r.position < l.acked then r.path || ': the offset is before its acked_offset'
        else r.path || ': the offset is beyond the tail'
      end into problem
    from unnest(paths, positions, generations) as r(path, position, generation)
    left join penstock.subscription_links l on l.subscription_id = u.id and l.path = r.path
    left join penstock.stream_states s on s.id = l.stream_id and s.state = 'active'
    where l.path is null or (l.stream_id is null and r.position > 0) or (
      s.id is not null and l.reattached < u.generation
      and (
        r.position < l.acked or r.position > s.tail
        or r.generation <> penstock.generation_at(s.id, r.position)
      )
    )
    limit 1;
    if problem is not null then
      return query select 'invalid_offset', problem, null::bigint, null::text;
      return;
    end if;
  end if;

  with given as (
    select r.path, max(r.position) as position
    from unnest(paths, positions) as r(path, position) group by r.path
  ), acknowledged as (
    update penstock.subscription_links l
    set acked = greatest(l.acked, least(g.position, s.tail)),
        pending = s.tail > greatest(l.acked, least(g.position, s.tail), s.earliest)
    from given g, penstock.stream_states s
    where l.subscription_id = u.id and l.path = g.path
      and s.id = l.stream_id and s.state = 'active' and l.reattached < u.generation
    returning l.stream_id
  )
  select string_agg(a.stream_id::text, ',') into touched from acknowledged a;

  if finishes then
    update penstock.subscriptions v set failures = 0, failing_since = null
    where v.id = u.id and v.failures > 0;
    -- Whether there is a next wake is answered for what was committed until now, on any node,
    -- and not only for what `issue_wakes` has come to. With more links than this the comparison
    -- would take longer than the milliseconds after which the wake follows anyway.
    if not trusted and (
      select count(*) from (
        select from penstock.subscription_links l where l.subscription_id = u.id limit 1001) few
    ) <= 1000 then
      perform penstock.mark_pending(u.id);
    end if;
    return query select 'ok', null::text, penstock.end_wake(u.id), touched;
  else
    update penstock.subscriptions v
    set phase = case v.type
          when 'webhook' then 'delivered'::penstock.wake_phase else 'claimed' end,
        failures = 0,
        failing_since = null,
        due_at = clock_timestamp() + make_interval(secs => v.lease_ttl_ms / 1000.0)
    where v.id = u.id;
    return query select 'ok', null::text, null::bigint, touched;
  end if;
end
$$;
