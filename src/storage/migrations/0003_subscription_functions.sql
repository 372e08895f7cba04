-- Subscriptions (protocol sections 6 and 7). Two rules keep the functions below free of races and of
-- deadlocks:
--   1. The row lock of a subscription guards the row, its wake and the cursors of its links. Whoever
--      takes several takes them in ascending order, in a statement of its own, and writes after that.
--   2. Matching new streams with patterns holds lock_key(-2) shared; creating a subscription or
--      adding paths to one holds it exclusively. So a stream and a subscription that come into being
--      at once meet: one of the two sees the other.
-- What was committed after a statement's snapshot is seen by the look that follows that commit; a
-- look that comes before an acknowledgement's commit is made good by the look that follows that one.

alter table penstock.subscriptions set (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 200
);
--> statement-breakpoint
alter table penstock.subscription_links set (fillfactor = 80);
--> statement-breakpoint
insert into penstock.subscription_audit (id) values (1);
--> statement-breakpoint
-- A stream's creation leaves a note in its own transaction: whichever node looks first, now or after
-- the creating node's death, matches it with the patterns.
create function penstock.note_new_streams() returns trigger
language plpgsql as $$
begin
  insert into penstock.new_streams (stream_id) select c.id from created c;
  return null;
end
$$;
--> statement-breakpoint
create trigger note_new_streams after insert on penstock.streams
referencing new table as created
for each statement execute function penstock.note_new_streams();
--> statement-breakpoint
-- What a pattern that matches this path may begin and end with: whole segments, at most eight, as
-- many as patterns keep. So a new path is looked up by index however many patterns there are.
-- Strict, so that it is not planned inline, where Postgres expects a million rows and reads all
-- patterns: 7.9 ms a new stream at 10,000 patterns, against 2.3.
create function penstock.path_ends(path text) returns table (prefix text, suffix text)
language sql immutable strict parallel safe rows 16 as $$
  with parts as (select string_to_array(path, '/') as p)
  select array_to_string(p[1:a], '/'), array_to_string(p[cardinality(p) - b + 1:], '/')
  from parts,
    generate_series(0, least(8, cardinality(p))) as a,
    generate_series(0, least(8, cardinality(p))) as b
$$;
--> statement-breakpoint
create function penstock.subscription_matches(s penstock.subscriptions, path text) returns boolean
language sql immutable parallel safe as $$
  -- Its own wake stream never wakes a subscription: it would wake itself for ever.
  select coalesce('/' || path ~ (s).pattern_regex and path is distinct from (s).wake_stream, false)
$$;
--> statement-breakpoint
-- Whether a look has seen work that is still there.
create function penstock.has_pending(subscription bigint) returns boolean
language sql stable as $$
  select exists (
    select from penstock.subscription_links l
    join penstock.stream_states s on s.id = l.stream_id
    where l.subscription_id = subscription and l.pending
      and s.tail > l.acked and s.state = 0 and not s.expired
  )
$$;
--> statement-breakpoint
-- Compares every cursor of one subscription with its stream's tail. Under the subscription's lock.
create function penstock.mark_pending(subscription bigint) returns void
language sql as $$
  update penstock.subscription_links l set pending = true
  from penstock.streams s
  where l.subscription_id = subscription and s.id = l.stream_id
    and not l.pending and s.tail > l.acked and s.state = 0
$$;
--> statement-breakpoint
-- A new wake. A webhook's lease begins now; a wake event has ten seconds to reach its wake stream
-- before another node writes it. Under the subscription's lock.
create function penstock.issue_wake(subscription bigint) returns bigint
language sql as $$
  update penstock.subscriptions u
  set generation = u.generation + 1,
      phase = 1,
      wake_id = 'w_' || replace(gen_random_uuid()::text, '-', ''),
      holder = null,
      due_at = clock_timestamp() + make_interval(
        secs => case u.type when 'webhook' then u.lease_ttl_ms else 10000 end / 1000.0)
  where u.id = subscription
  returning u.generation
$$;
--> statement-breakpoint
-- Ends the wake in flight, if any, and issues the next where work is left: its generation, or null.
-- Failures are kept: a retry is a wake of its own. Under the subscription's lock.
create function penstock.end_wake(subscription bigint) returns bigint
language plpgsql as $$
begin
  update penstock.subscriptions u
  set phase = 0, wake_id = null, holder = null, due_at = null
  where u.id = subscription;
  if penstock.has_pending(subscription) then
    return penstock.issue_wake(subscription);
  end if;
  update penstock.subscriptions u set failures = 0, failing_since = null
  where u.id = subscription and u.failures > 0;
  return null;
end
$$;
--> statement-breakpoint
-- The look that follows a commit: links new streams, marks what is pending, and issues a wake to
-- every subscription that is idle and has work. A row a wake.
create function penstock.look_for_wakes(ids bigint[])
returns table (id bigint, name text, generation bigint)
language plpgsql as $$
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
        where s.id = any (fresh) and s.state < 2 and penstock.subscription_matches(v, s.path)
        union
        select l.subscription_id, s.id
        from penstock.streams s
        join penstock.subscription_links l on l.path = s.path and l.stream_id is distinct from s.id
        where s.id = any (fresh) and s.state < 2
      ) m;
    end if;
  end if;

  affected := array(
    select l.subscription_id
    from penstock.subscription_links l
    join penstock.streams s on s.id = l.stream_id
    join penstock.subscriptions v on v.id = l.subscription_id
    where l.stream_id = any (ids) and s.tail > l.acked and s.state = 0
      and v.deleted_at is null and (not l.pending or v.phase = 0)
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
    join penstock.streams s on s.id = m.stream and s.state < 2
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
  from penstock.streams s
  where l.stream_id = any (ids) and s.id = l.stream_id and l.subscription_id = any (affected)
    and not l.pending and s.tail > l.acked and s.state = 0;

  for u in
    select v.id, v.name from penstock.subscriptions v
    where v.id = any (affected) and v.phase = 0 and v.deleted_at is null
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
--> statement-breakpoint
-- A strict look at one subscription: every cursor against its tail.
create function penstock.look_at_subscription(subscription bigint)
returns table (id bigint, name text, generation bigint)
language plpgsql as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return;
  end if;
  perform penstock.mark_pending(u.id);
  if u.phase = 0 and penstock.has_pending(u.id) then
    return query select u.id, u.name, penstock.issue_wake(u.id);
  end if;
end
$$;
--> statement-breakpoint
-- Links paths explicitly, at their tails. Under lock_key(-2) and the subscription's lock.
create function penstock.link_explicitly(subscription bigint, paths text[]) returns void
language sql as $$
  insert into penstock.subscription_links as k
    (subscription_id, path, explicit, glob, stream_id, acked)
  select u.id, r.path, true, s.id is not null and penstock.subscription_matches(u, r.path), s.id,
    coalesce(s.tail, 0)
  from penstock.subscriptions u
  cross join (select distinct p from unnest(paths) p) as r(path)
  left join penstock.streams s on s.path = r.path and s.state = 0
  where u.id = subscription
  on conflict (subscription_id, path) do update set explicit = true where not k.explicit
$$;
--> statement-breakpoint
-- Creates a subscription with its explicit links; `backfill_links` follows in the transaction.
-- A name that was deleted goes on counting its generations: they only grow.
create function penstock.create_subscription(
  new_name text, new_type text, new_pattern text, regex text, prefix text, suffix text,
  url text, wake text, lease_ms bigint, about text, hash text, paths text[]
) returns table (created boolean, id bigint, config_hash text)
language plpgsql as $$
declare
  new_id bigint;
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-2));
  insert into penstock.subscriptions as u (name, type, pattern, pattern_regex, pattern_prefix,
    pattern_suffix, webhook_url, wake_stream, lease_ttl_ms, description, config_hash, generation)
  values (new_name, new_type, new_pattern, regex, prefix, suffix, url, wake, lease_ms, about, hash,
    coalesce((select max(d.generation) from penstock.subscriptions d
      where d.deleted_at is not null and d.name = new_name), 0))
  on conflict (name) where deleted_at is null do nothing
  returning u.id into new_id;
  if new_id is null then
    return query select false, u.id, u.config_hash from penstock.subscriptions u
      where u.name = new_name and u.deleted_at is null;
    return;
  end if;
  perform penstock.link_explicitly(new_id, paths);
  return query select true, new_id, hash;
end
$$;
--> statement-breakpoint
-- Links up to `most` existing streams that the pattern matches, at their tails, in the order of
-- their paths. Returns the last path linked, or null when there is no more.
create function penstock.backfill_links(subscription bigint, after text, most integer) returns text
language plpgsql as $$
declare
  u penstock.subscriptions;
  beyond text;
  linked bigint;
  last text;
begin
  select * into u from penstock.subscriptions v where v.id = subscription;
  -- The first path after all that begin with the prefix's segments: '0' follows '/'.
  beyond := case u.pattern_prefix when '' then chr(1114111) else u.pattern_prefix || '0' end;
  with found as (
    select s.id, s.path, s.tail from penstock.streams s
    where s.state = 0 and s.path > after and s.path >= u.pattern_prefix and s.path < beyond
      and penstock.subscription_matches(u, s.path)
    order by s.path limit most
  ), added as (
    insert into penstock.subscription_links as k
      (subscription_id, path, explicit, glob, stream_id, acked)
    select u.id, f.path, false, true, f.id, f.tail from found f
    on conflict (subscription_id, path) do update set glob = true
  )
  select count(*), max(f.path) into linked, last from found f;
  return case when linked = most then last end;
end
$$;
--> statement-breakpoint
-- Adds explicit links (section 6.4). Returns the subscription's id, or null.
create function penstock.add_streams(subscription_name text, paths text[]) returns bigint
language plpgsql as $$
declare
  found_id bigint;
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-2));
  select u.id into found_id from penstock.subscriptions u
  where u.name = subscription_name and u.deleted_at is null for no key update;
  if found_id is not null then
    perform penstock.link_explicitly(found_id, paths);
  end if;
  return found_id;
end
$$;
--> statement-breakpoint
-- Takes an explicit link away; what the pattern matches stays. The subscription's id, or null.
create function penstock.remove_stream(subscription_name text, removed text) returns bigint
language plpgsql as $$
declare
  found_id bigint;
begin
  select u.id into found_id from penstock.subscriptions u
  where u.name = subscription_name and u.deleted_at is null for no key update;
  update penstock.subscription_links l set explicit = false
  where l.subscription_id = found_id and l.path = removed and l.glob and l.stream_id is not null;
  delete from penstock.subscription_links l
  where l.subscription_id = found_id and l.path = removed and l.explicit;
  return found_id;
end
$$;
--> statement-breakpoint
-- What a wake is about: up to 1,000 links with work, then up to 100 without. More work than that is
-- left to the next wake.
create function penstock.wake_streams(subscription bigint)
returns table (path text, explicit boolean, acked bigint, tail bigint)
language sql stable as $$
  (
    select l.path, l.explicit, l.acked, s.tail
    from penstock.subscription_links l
    join penstock.stream_states s on s.id = l.stream_id
    where l.subscription_id = subscription and l.pending
      and s.tail > l.acked and s.state = 0 and not s.expired
    order by l.path limit 1000
  ) union all (
    select l.path, l.explicit, l.acked, coalesce(s.tail, l.acked)
    from penstock.subscription_links l
    left join penstock.stream_states s on s.id = l.stream_id and s.state = 0 and not s.expired
    where l.subscription_id = subscription and not l.pending and (l.explicit or s.id is not null)
    order by l.path limit 100
  )
$$;
--> statement-breakpoint
-- A node sets out to deliver a wake: the lease begins anew, for it may have waited its turn.
create function penstock.begin_delivery(subscription bigint, wake_generation bigint)
returns setof penstock.subscriptions
language sql as $$
  update penstock.subscriptions u
  set due_at = clock_timestamp() + make_interval(
    secs => case u.type when 'webhook' then u.lease_ttl_ms else 10000 end / 1000.0)
  where u.id = subscription and u.generation = wake_generation and u.phase = 1
    and u.deleted_at is null
  returning u.*
$$;
--> statement-breakpoint
-- The receiver took it, or the wake event is written: a wake event then waits to be claimed, as
-- long as it takes.
create function penstock.delivered(subscription bigint, wake_generation bigint) returns boolean
language sql as $$
  with done as (
    update penstock.subscriptions u
    set phase = 2, failures = 0, failing_since = null,
        due_at = case u.type when 'webhook' then u.due_at end
    where u.id = subscription and u.generation = wake_generation and u.phase = 1
    returning 1
  )
  select exists (select from done)
$$;
--> statement-breakpoint
-- Back-off: 1 s, doubled up to 60 s, a fifth of jitter. The wake stays valid until the retry: a
-- receiver that was only slow may still call back. No row when that, or anything else, came first.
create function penstock.delivery_failed(subscription bigint, wake_generation bigint)
returns table (failures bigint, retry_ms bigint, failing_ms bigint)
language sql as $$
  update penstock.subscriptions u
  set phase = 4,
      failures = u.failures + 1,
      failing_since = coalesce(u.failing_since, clock_timestamp()),
      due_at = clock_timestamp() + make_interval(
        secs => least(60, (2 ^ least(u.failures, 6)) * (0.8 + 0.4 * random())))
  where u.id = subscription and u.generation = wake_generation and u.phase = 1
  returning u.failures,
    ceil(extract(epoch from u.due_at - clock_timestamp()) * 1000)::bigint,
    floor(extract(epoch from clock_timestamp() - u.failing_since) * 1000)::bigint
$$;
--> statement-breakpoint
-- Applies acks to the wake in flight, and ends it or extends its lease (sections 7.1 and 7.2).
-- `trusted`: the snapshot of a wake that was answered with done, taken as far as it still holds.
-- outcome: 'ok', 'not_found', 'fenced', 'expired' (fenced, and only now found to be),
-- 'invalid_offset' (detail says why; nothing is applied).
create function penstock.ack_wake(
  subscription bigint, wake_generation bigint, wake text, paths text[], offsets bigint[],
  finishes boolean, trusted boolean
) returns table (outcome text, detail text, next_generation bigint, streams text)
language plpgsql as $$
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
    or (u.type = 'pull-wake' and u.phase <> 3) then
    return query select 'fenced', null::text, null::bigint, null::text;
    return;
  elsif u.due_at <= clock_timestamp() then
    return query select 'expired', u.holder, penstock.end_wake(u.id), null::text;
    return;
  end if;

  if not trusted then
    -- A link whose stream is gone, or was replaced during this wake, takes no ack and refuses none.
    select case
        when l.path is null then r.path || ' is not a stream of this subscription'
        when r.position < l.acked then 'the offset for ' || r.path || ' is before its acked_offset'
        else 'the offset for ' || r.path || ' is beyond the tail'
      end into problem
    from unnest(paths, offsets) as r(path, position)
    left join penstock.subscription_links l on l.subscription_id = u.id and l.path = r.path
    left join penstock.streams s on s.id = l.stream_id and s.state = 0
    where l.path is null or (l.stream_id is null and r.position > 0) or (
      s.id is not null and l.reattached < u.generation
      and (r.position < l.acked or r.position > s.tail)
    )
    limit 1;
    if problem is not null then
      return query select 'invalid_offset', problem, null::bigint, null::text;
      return;
    end if;
  end if;

  with given as (
    select r.path, max(r.position) as position
    from unnest(paths, offsets) as r(path, position) group by r.path
  ), moved as (
    update penstock.subscription_links l
    set acked = greatest(l.acked, least(g.position, s.tail)),
        pending = s.tail > greatest(l.acked, least(g.position, s.tail))
    from given g, penstock.streams s
    where l.subscription_id = u.id and l.path = g.path
      and s.id = l.stream_id and s.state = 0 and l.reattached < u.generation
    returning l.stream_id
  )
  select string_agg(m.stream_id::text, ',') into touched from moved m;

  if finishes then
    update penstock.subscriptions v set failures = 0, failing_since = null
    where v.id = u.id and v.failures > 0;
    return query select 'ok', null::text, penstock.end_wake(u.id), touched;
  else
    update penstock.subscriptions v
    set phase = case v.type when 'webhook' then 2 else 3 end,
        failures = 0,
        failing_since = null,
        due_at = clock_timestamp() + make_interval(secs => v.lease_ttl_ms / 1000.0)
    where v.id = u.id;
    return query select 'ok', null::text, null::bigint, touched;
  end if;
end
$$;
--> statement-breakpoint
-- A worker gives its lease back. outcome as of ack_wake.
create function penstock.release_wake(subscription bigint, wake_generation bigint, wake text)
returns table (outcome text, next_generation bigint)
language plpgsql as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return query select 'not_found', null::bigint;
  elsif u.generation <> wake_generation or u.wake_id is distinct from wake or u.phase <> 3 then
    return query select 'fenced', null::bigint;
  else
    return query select case when u.due_at <= clock_timestamp() then 'expired' else 'ok' end,
      penstock.end_wake(u.id);
  end if;
end
$$;
--> statement-breakpoint
-- A worker claims (section 7.2): the wake in flight, or a new one where work came in unseen.
-- outcome: 'claimed', 'not_found', 'not_pull_wake', 'already_claimed', 'no_pending_work'.
create function penstock.claim_wake(subscription_name text, worker text)
returns table (outcome text, id bigint, generation bigint, wake_id text, holder text,
  lease_ttl_ms bigint)
language plpgsql as $$
declare
  u penstock.subscriptions;
  result text := 'claimed';
begin
  select * into u from penstock.subscriptions v
  where v.name = subscription_name and v.deleted_at is null for no key update;
  if u.id is null then
    result := 'not_found';
  elsif u.type <> 'pull-wake' then
    result := 'not_pull_wake';
  elsif u.phase = 3 and u.due_at > clock_timestamp() then
    result := 'already_claimed';
  else
    if not penstock.has_pending(u.id) then
      perform penstock.mark_pending(u.id);
    end if;
    if not penstock.has_pending(u.id) then
      perform penstock.end_wake(u.id);
      result := 'no_pending_work';
    else
      -- An expired lease is another worker's wake: this one gets its own.
      if u.phase in (0, 3) then
        perform penstock.issue_wake(u.id);
      end if;
      update penstock.subscriptions v
      set phase = 3, holder = worker, failures = 0, failing_since = null,
          due_at = clock_timestamp() + make_interval(secs => v.lease_ttl_ms / 1000.0)
      where v.id = u.id
      returning v.* into u;
    end if;
  end if;
  return query select result, u.id, u.generation, u.wake_id, u.holder, u.lease_ttl_ms;
end
$$;
--> statement-breakpoint
-- What is due, whichever node began it: leases that have ended, retries, wake events never written.
-- A row each; `next_generation` is the wake to deliver now, if there is one.
create function penstock.take_due(most integer)
returns table (id bigint, name text, was_phase smallint, was_generation bigint, was_holder text,
  next_generation bigint)
language plpgsql as $$
declare
  u penstock.subscriptions;
begin
  for u in
    select * from penstock.subscriptions v
    where v.due_at <= statement_timestamp()
    order by v.due_at limit most for no key update skip locked
  loop
    id := u.id;
    name := u.name;
    was_phase := u.phase;
    was_generation := u.generation;
    was_holder := u.holder;
    if u.type = 'pull-wake' and u.phase in (1, 4) and penstock.has_pending(u.id) then
      update penstock.subscriptions v
      set phase = 1, due_at = clock_timestamp() + interval '10 seconds' where v.id = u.id;
      next_generation := u.generation;
    else
      next_generation := penstock.end_wake(u.id);
    end if;
    return next;
  end loop;
end
$$;
--> statement-breakpoint
-- Deletes a subscription: a tombstone, which fences whatever is in flight.
create function penstock.delete_subscription(subscription_name text) returns bigint
language sql as $$
  update penstock.subscriptions u
  set deleted_at = clock_timestamp(), phase = 0, wake_id = null, holder = null, due_at = null
  where u.name = subscription_name and u.deleted_at is null
  returning u.id
$$;
--> statement-breakpoint
-- The audit: a slice of all links, in turn, whichever node comes. It finds work that no look saw,
-- because its node died or never learnt whether its commit succeeded, and forgets dead streams.
-- Returns streams to look at, and whether the slice was the last. No row when it is not yet time.
create function penstock.audit_links(slice integer, pause_ms integer, now_or_never boolean)
returns table (streams text, wrapped boolean)
language plpgsql as $$
declare
  a penstock.subscription_audit;
  seen bigint;
  last_stream bigint;
  last_subscription bigint;
  missed bigint[];
  dead bigint[];
  holders bigint[];
begin
  select * into a from penstock.subscription_audit t
  where t.id = 1 and (now_or_never or t.next_at <= statement_timestamp()) for update skip locked;
  if a.id is null then
    return;
  end if;
  with links as materialized (
    select l.stream_id, l.subscription_id, l.acked, l.pending
    from penstock.subscription_links l
    where (l.stream_id, l.subscription_id) > (a.stream_id, a.subscription_id)
    order by l.stream_id, l.subscription_id limit slice
  ), judged as (
    select l.stream_id, l.subscription_id,
      s.id is null or s.state = 2 as dead,
      s.state = 0 and s.tail > l.acked and (not l.pending or u.phase = 0)
        and u.deleted_at is null as missed
    from links l
    join penstock.subscriptions u on u.id = l.subscription_id
    left join penstock.streams s on s.id = l.stream_id
  )
  select (select count(*) from links),
    (select l.stream_id from links l order by 1 desc limit 1),
    (select l.subscription_id from links l order by l.stream_id desc, 1 desc limit 1),
    array_agg(distinct j.stream_id) filter (where j.missed),
    array_agg(distinct j.stream_id) filter (where j.dead),
    array_agg(distinct j.subscription_id) filter (where j.dead)
  into seen, last_stream, last_subscription, missed, dead, holders
  from judged j;

  if dead is not null then
    -- Only where no wake is in flight: its acks may still name the stream.
    holders := array(
      select u.id from penstock.subscriptions u
      where u.id = any (holders) and u.phase = 0 order by u.id for no key update skip locked);
    delete from penstock.subscription_links l
    where l.stream_id = any (dead) and l.subscription_id = any (holders) and not l.explicit;
    update penstock.subscription_links l
    set stream_id = null, acked = 0, pending = false, glob = false
    where l.stream_id = any (dead) and l.subscription_id = any (holders);
  end if;

  -- What was deleted goes a little at a time.
  delete from penstock.subscription_links l where l.ctid in (
    select k.ctid from penstock.subscriptions u
    join penstock.subscription_links k on k.subscription_id = u.id
    where u.deleted_at is not null limit 1000);
  delete from penstock.subscriptions u
  where u.deleted_at < statement_timestamp() - interval '1 day' and not exists (
    select from penstock.subscription_links k where k.subscription_id = u.id);

  update penstock.subscription_audit t
  set stream_id = case when seen < slice then 0 else last_stream end,
      subscription_id = case when seen < slice then 0 else last_subscription end,
      next_at = clock_timestamp() + make_interval(secs => pause_ms / 1000.0)
  where t.id = 1;
  return query
    select array_to_string(missed || array(
      select n.stream_id from penstock.new_streams n order by n.stream_id limit 1000), ','),
      seen < slice;
end
$$;
--> statement-breakpoint
-- Keeps a key if there is none of its purpose in use; of any number of nodes, the first one's.
create function penstock.keep_key(new_kid text, new_purpose text, new_jwk text) returns void
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  insert into penstock.keys (kid, purpose, jwk)
  select new_kid, new_purpose, new_jwk
  where not exists (
    select from penstock.keys k where k.purpose = new_purpose and k.retired_at is null);
end
$$;
--> statement-breakpoint
-- Puts a new key in the place of the one in use, and forgets those long out of it.
create function penstock.rotate_key(new_kid text, new_purpose text, new_jwk text) returns void
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  delete from penstock.keys k where k.retired_at < clock_timestamp() - interval '7 days';
  update penstock.keys k set retired_at = clock_timestamp()
  where k.purpose = new_purpose and k.retired_at is null;
  insert into penstock.keys (kid, purpose, jwk) values (new_kid, new_purpose, new_jwk);
end
$$;
