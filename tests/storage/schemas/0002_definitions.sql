-- The functions, the view and the trigger of a database whose last step is 0002_access_tokens, as the
-- Penstock of then made them. Frozen: the test of an upgrade begins with them.

create or replace function penstock.lock_key(stream_id bigint) returns bigint
language sql immutable parallel safe
return (20563::bigint << 48) | (stream_id & 281474976710655);

create or replace function penstock.is_expired(
  expires_at timestamptz, last_access timestamptz, ttl_seconds bigint
) returns boolean
language sql stable parallel safe
return coalesce(expires_at <= statement_timestamp(), false) or coalesce(
  last_access + make_interval(secs => ttl_seconds * 1.1::float8) <= statement_timestamp(), false
);

create or replace function penstock.needs_renewal(last_access timestamptz, ttl_seconds bigint)
returns boolean
language sql stable parallel safe
return coalesce(
  last_access + make_interval(secs => ttl_seconds * 0.1::float8) <= statement_timestamp(), false
);

create or replace view penstock.stream_states as
select
  s.id, s.path, s.content_type, s.state,
  coalesce(newest.closed, false) as closed,
  coalesce(newest.stop, s.fork_position, 0) as tail,
  s.ttl_seconds,
  (extract(epoch from s.expires_at) * 1000)::bigint as expires_at_ms,
  newest.last_seq,
  s.source_id, s.source_path, s.fork_position, s.fork_anchor, s.fork_sub_offset,
  s.expiry_inherited, s.fork_count,
  penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds) as expired,
  penstock.needs_renewal(s.last_access, s.ttl_seconds) as renews_ttl
from penstock.streams s
left join lateral (
  select g.position + length(g.data) as stop, g.closed, g.last_seq
  from penstock.segments g
  where g.stream_id = s.id
  order by g.position desc
  limit 1
) newest on true;

create or replace function penstock.delivery_limit(type text, lease_ttl_ms bigint)
returns interval
language sql immutable parallel safe
return make_interval(secs => case type when 'webhook' then lease_ttl_ms else 10000 end / 1000.0);

create or replace function penstock.path_ends(path text)
returns table (prefix text, suffix text)
language sql immutable strict parallel safe rows 16
begin atomic
  with parts as (select string_to_array(path, '/') as p)
  select array_to_string(p[1:a], '/'), array_to_string(p[cardinality(p) - b + 1:], '/')
  from parts,
    generate_series(0, least(8, cardinality(p))) as a,
    generate_series(0, least(8, cardinality(p))) as b;
end;

create or replace function penstock.subscription_matches(s penstock.subscriptions, path text)
returns boolean
language sql immutable parallel safe
return coalesce(
  '/' || path ~ (s).pattern_regex and path is distinct from (s).wake_stream, false
);

create or replace function penstock.fork_chain(stream_id bigint)
returns table (id bigint, source_id bigint, fork_position bigint)
language sql stable
begin atomic
  with recursive chain as (
    select s.id, s.source_id, s.fork_position, 0 as depth
    from penstock.streams s where s.id = stream_id
    union all
    select s.id, s.source_id, s.fork_position, c.depth + 1
    from chain c join penstock.streams s on s.id = c.source_id
  )
  select c.id, c.source_id, c.fork_position from chain c order by c.depth;
end;

create or replace function penstock.generation_at(stream_id bigint, "position" bigint)
returns bigint
language sql stable
begin atomic
  select case
    when "position" = 0 then 0
    else coalesce(
      (
        select c.id
        from penstock.fork_chain(stream_id) with ordinality
          as c(id, source_id, fork_position, nearness)
        where "position" > coalesce(c.fork_position, 0)
        order by c.nearness limit 1
      ),
      stream_id
    )
  end;
end;

create or replace function penstock.has_pending(subscription bigint) returns boolean
language sql stable
return exists (
  select from penstock.subscription_links l
  join penstock.stream_states s on s.id = l.stream_id
  where l.subscription_id = subscription and l.pending
    and s.tail > l.acked and s.state = 'active' and not s.expired
);

create or replace function penstock.mark_pending(subscription bigint) returns void
language sql
begin atomic
  update penstock.subscription_links l set pending = true
  from penstock.stream_states s
  where l.subscription_id = subscription and s.id = l.stream_id
    and not l.pending and s.tail > l.acked and s.state = 'active';
end;

create or replace function penstock.issue_wake(subscription bigint) returns bigint
language sql
begin atomic
  update penstock.subscriptions u
  set generation = u.generation + 1,
      phase = 'delivering',
      wake_id = 'w_' || replace(gen_random_uuid()::text, '-', ''),
      holder = null,
      due_at = clock_timestamp() + penstock.delivery_limit(u.type, u.lease_ttl_ms)
  where u.id = subscription
  returning u.generation;
end;

create or replace function penstock.link_explicitly(subscription bigint, paths text[])
returns void
language sql
begin atomic
  insert into penstock.subscription_links as k
    (subscription_id, path, explicit, glob, stream_id, acked)
  select u.id, r.path, true, s.id is not null and penstock.subscription_matches(u, r.path), s.id,
    coalesce(s.tail, 0)
  from penstock.subscriptions u
  cross join (select distinct p from unnest(paths) p) as r(path)
  left join penstock.stream_states s on s.path = r.path and s.state = 'active'
  where u.id = subscription
  on conflict (subscription_id, path) do update set explicit = true where not k.explicit;
end;

create or replace function penstock.end_wake(subscription bigint) returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  update penstock.subscriptions u
  set phase = 'idle', wake_id = null, holder = null, due_at = null
  where u.id = subscription;
  if penstock.has_pending(subscription) then
    return penstock.issue_wake(subscription);
  end if;
  update penstock.subscriptions u set failures = 0, failing_since = null
  where u.id = subscription and u.failures > 0;
  return null;
end
$$;

create or replace function penstock.note_new_streams() returns trigger
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  insert into penstock.new_streams (stream_id) select c.id from created c;
  return null;
end
$$;

create or replace trigger note_new_streams after insert on penstock.streams
referencing new table as created
for each statement execute function penstock.note_new_streams();

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
          then 'the offset for ' || r.path || ' is of another stream'
        when r.position < l.acked then 'the offset for ' || r.path || ' is before its acked_offset'
        else 'the offset for ' || r.path || ' is beyond the tail'
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
        pending = s.tail > greatest(l.acked, least(g.position, s.tail))
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

create or replace function penstock.add_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  insert into penstock.keys (kid, purpose, jwk)
  select new_kid, new_purpose, new_jwk
  where not exists (
    select from penstock.keys k where k.purpose = new_purpose and k.retired_at is null);
end
$$;

create or replace function penstock.add_streams(subscription_name text, paths text[])
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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

create or replace function penstock.backfill_links(subscription bigint, after text, most integer)
returns text
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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
    select s.id, s.path, s.tail from penstock.stream_states s
    where s.state = 'active' and s.path > after and s.path >= u.pattern_prefix and s.path < beyond
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

create or replace function penstock.begin_delivery(subscription bigint, wake_generation bigint)
returns setof penstock.subscriptions
language sql
begin atomic
  update penstock.subscriptions u
  set due_at = clock_timestamp() + penstock.delivery_limit(u.type, u.lease_ttl_ms)
  where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
    and u.deleted_at is null
  returning u.*;
end;

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

create or replace function penstock.claim_wake(subscription_name text, worker text)
returns table (
  outcome text, id bigint, generation bigint, wake_id text, holder text, lease_ttl_ms bigint
)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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
  elsif u.phase = 'claimed' and u.due_at > clock_timestamp() then
    result := 'already_claimed';
  else
    if not penstock.has_pending(u.id) then
      perform penstock.mark_pending(u.id);
    end if;
    if not penstock.has_pending(u.id) then
      perform penstock.end_wake(u.id);
      result := 'no_pending_work';
    else
      -- An expired lease belongs to another worker's wake: this worker gets one of its own.
      if u.phase in ('idle', 'claimed') then
        perform penstock.issue_wake(u.id);
      end if;
      update penstock.subscriptions v
      set phase = 'claimed', holder = worker, failures = 0, failing_since = null,
          due_at = clock_timestamp() + make_interval(secs => v.lease_ttl_ms / 1000.0)
      where v.id = u.id
      returning v.* into u;
    end if;
  end if;
  return query select result, u.id, u.generation, u.wake_id, u.holder, u.lease_ttl_ms;
end
$$;

create or replace function penstock.commit_append(
  target bigint, expected_tail bigint, unconditional boolean, renews_ttl boolean, closes boolean,
  seq text, bytes bytea
) returns table (changed_id bigint, rebased boolean, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  written bigint;
begin
  perform pg_advisory_xact_lock(penstock.lock_key(target));

  insert into penstock.segments as g (stream_id, position, closed, last_seq, data)
  select s.id, s.tail, closes, coalesce(seq, s.last_seq), bytes
  from penstock.stream_states s
  where s.id = target and s.state = 'active' and not s.expired and not s.closed
    and (unconditional or s.tail = expected_tail)
  returning g.position into written;

  if written is null then
    return query select * from penstock.commit_appends(
      array[target], '{}', array[target], array[expected_tail], array[expected_tail],
      array[unconditional], array[closes], array[seq], array[0], array[length(bytes)], bytes,
      '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
    return;
  end if;
  if renews_ttl then
    update penstock.streams s set last_access = clock_timestamp()
    where s.id = target and penstock.needs_renewal(s.last_access, s.ttl_seconds);
  end if;
  if written <> expected_tail then
    return query select target, true, s from penstock.stream_states s where s.id = target;
  end if;
end
$$;

create or replace function penstock.commit_appends(
  ids bigint[], ttl_streams bigint[],
  segment_streams bigint[], segment_tails bigint[], segment_positions bigint[],
  segment_unconditional boolean[], segment_closes boolean[], segment_seqs text[],
  segment_starts integer[], segment_lengths integer[], bytes bytea,
  confirmed_streams bigint[], confirmed_tails bigint[], confirmed_closed boolean[],
  producer_streams bigint[], producer_ids text[], producer_epochs bigint[],
  producer_seqs bigint[], producer_closes boolean[]
) returns table (changed_id bigint, rebased boolean, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  written_streams bigint[];
  written_positions bigint[];
  refused bigint[];
  rebased_ids bigint[];
begin
  perform pg_advisory_xact_lock(penstock.lock_key(i.id)) from unnest(ids) as i(id);

  with written as (
    insert into penstock.segments as w (stream_id, position, closed, last_seq, data)
    select s.id, s.tail + (g.position - g.tail), g.closes, coalesce(g.seq, s.last_seq),
      substring(bytes from g.start + 1 for g.length)
    from unnest(segment_streams, segment_tails, segment_positions, segment_unconditional,
        segment_closes, segment_seqs, segment_starts, segment_lengths)
      as g(stream_id, tail, position, unconditional, closes, seq, start, length)
    join penstock.stream_states s on s.id = g.stream_id
    where s.state = 'active' and not s.expired and not s.closed
      and (g.unconditional or s.tail = g.tail)
    returning w.stream_id, w.position
  )
  select array_agg(w.stream_id), array_agg(w.position) into written_streams, written_positions
  from written w;

  if written_positions is distinct from segment_positions
    or written_streams is distinct from segment_streams
    or cardinality(confirmed_streams) > 0 then
    refused := array(
      select distinct g.id from unnest(segment_streams) as g(id)
      where g.id <> all (coalesce(written_streams, '{}'))
      union all
      select c.id
      from unnest(confirmed_streams, confirmed_tails, confirmed_closed) as c(id, tail, closed)
      left join penstock.stream_states s on s.id = c.id
      where s.id is null or s.tail <> c.tail or s.closed <> c.closed or s.state <> 'active'
        or s.expired
    );
    rebased_ids := array(
      select w.id
      from (
        select u.id, min(u.position) as position
        from unnest(written_streams, written_positions) as u(id, position) group by u.id
      ) w
      where w.position <> segment_tails[array_position(segment_streams, w.id)]
    );
  end if;

  if cardinality(producer_streams) > 0 then
    insert into penstock.producers (stream_id, producer_id, epoch, last_seq, closed_stream)
    select r.stream_id, r.producer_id, r.epoch, r.last_seq, r.closed_stream
    from unnest(producer_streams, producer_ids, producer_epochs, producer_seqs, producer_closes)
      as r(stream_id, producer_id, epoch, last_seq, closed_stream)
    where refused is null or r.stream_id <> all (refused);
  end if;

  if cardinality(ttl_streams) > 0 then
    update penstock.streams s set last_access = clock_timestamp()
    where s.id = any (ttl_streams) and (refused is null or s.id <> all (refused))
      and penstock.needs_renewal(s.last_access, s.ttl_seconds);
  end if;

  if refused is not null then
    return query
      select r.id, false, s
      from unnest(refused) as r(id)
      left join penstock.stream_states s on s.id = r.id
      union all
      select r.id, true, s
      from unnest(rebased_ids) as r(id)
      join penstock.stream_states s on s.id = r.id;
  end if;
end
$$;

create or replace function penstock.confirm_delivery(subscription bigint, wake_generation bigint)
returns boolean
language sql
begin atomic
  with done as (
    update penstock.subscriptions u
    set phase = 'delivered', failures = 0, failing_since = null,
        due_at = case u.type when 'webhook' then u.due_at end
    where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
    returning 1
  )
  select exists (select from done);
end;

create or replace function penstock.create_access_token(
  new_name text,
  new_hash text,
  new_rules text,
  new_parent_id bigint,
  new_expires_at_ms bigint,
  most_tokens bigint
)
returns text
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  parent_expires_at timestamptz;
begin
  -- The row is locked until the end: creations and revocations come one after another.
  update penstock.access_revision r set revision = r.revision + 1 where r.id = 1;
  if new_parent_id is not null then
    select p.expires_at into parent_expires_at from penstock.access_tokens p
    where p.id = new_parent_id and (p.expires_at is null or p.expires_at > clock_timestamp());
    if not found then
      return 'parent_gone';
    end if;
  end if;
  delete from penstock.access_tokens t
  where t.name = new_name and t.expires_at <= clock_timestamp();
  if (select count(*) from penstock.access_tokens t) >= most_tokens then
    return 'full';
  end if;
  insert into penstock.access_tokens (name, hash, rules, parent_id, expires_at)
  values (
    new_name, new_hash, new_rules, new_parent_id,
    least(to_timestamp(new_expires_at_ms / 1000.0), parent_expires_at)
  )
  on conflict (name) do nothing;
  return case when found then 'created' else 'exists' end;
end
$$;

create or replace function penstock.create_fork(
  fork_path text, fork_content_type text, ttl bigint, expiry_ms bigint, inherited boolean,
  fork_source bigint, fork_source_path text, fork_at bigint, anchor bigint,
  sub_offset bigint, segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], segment_closes boolean[], bytes bytea
) returns table (outcome text, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  new_id bigint;
begin
  perform penstock.lock_streams(array[fork_source]);

  if not exists (
    select from penstock.stream_states s
    where s.id = fork_source and s.state = 'active' and not s.expired and s.tail >= fork_at
  ) then
    return query select 'source', s from penstock.stream_states s where s.id = fork_source;
    return;
  end if;

  if (select count(*) from penstock.fork_chain(fork_source)) >= 100 then
    return query select 'too_deep', null::penstock.stream_states;
    return;
  end if;

  insert into penstock.streams (path, content_type, ttl_seconds, expires_at, expiry_inherited,
    source_id, source_path, fork_position, fork_anchor, fork_sub_offset)
  values (fork_path, fork_content_type, ttl, to_timestamp(expiry_ms / 1000.0), inherited,
    fork_source, fork_source_path, fork_at, anchor, sub_offset)
  on conflict (path) where state <> 'deleted' do nothing
  returning id into new_id;

  if new_id is null then
    return query
      select 'exists', s from penstock.stream_states s
      where s.path = fork_path and s.state <> 'deleted';
    return;
  end if;

  update penstock.streams set fork_count = fork_count + 1 where id = fork_source;

  insert into penstock.segments (stream_id, position, closed, data)
  select new_id, r.position, r.closes, substring(bytes from r.start + 1 for r.length)
  from unnest(segment_positions, segment_starts, segment_lengths, segment_closes)
    as r(position, start, length, closes);

  return query select 'created', s from penstock.stream_states s where s.id = new_id;
end
$$;

create or replace function penstock.create_streams(
  paths text[], content_types text[], ttls bigint[], expiries_ms bigint[],
  segment_paths text[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], segment_closes boolean[], bytes bytea
) returns table (created boolean, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  created_paths text[];
begin
  with inserted as (
    insert into penstock.streams as s (path, content_type, ttl_seconds, expires_at)
    select r.path, r.content_type, r.ttl, to_timestamp(r.expiry_ms / 1000.0)
    from unnest(paths, content_types, ttls, expiries_ms) as r(path, content_type, ttl, expiry_ms)
    on conflict (path) where state <> 'deleted' do nothing
    returning s.id, s.path
  ), stored as (
    insert into penstock.segments (stream_id, position, closed, data)
    select i.id, r.position, r.closes, substring(bytes from r.start + 1 for r.length)
    from unnest(segment_paths, segment_positions, segment_starts, segment_lengths,
        segment_closes) as r(path, position, start, length, closes)
    join inserted i on i.path = r.path
  )
  select array_agg(i.path) into created_paths from inserted i;

  return query
    select coalesce(s.path = any (created_paths), false), s
    from penstock.stream_states s
    where s.path = any (paths) and s.state <> 'deleted';
end
$$;

create or replace function penstock.create_subscription(
  new_name text, new_type text, new_pattern text, regex text, prefix text, suffix text,
  url text, wake text, lease_ms bigint, about text, hash text, paths text[]
) returns table (created boolean, id bigint, config_hash text)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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
    return query
      select false, u.id, u.config_hash from penstock.subscriptions u
      where u.name = new_name and u.deleted_at is null;
    return;
  end if;
  perform penstock.link_explicitly(new_id, paths);
  return query select true, new_id, hash;
end
$$;

create or replace function penstock.delete_subscription(subscription_name text) returns bigint
language sql
begin atomic
  update penstock.subscriptions u
  set deleted_at = clock_timestamp(), phase = 'idle', wake_id = null, holder = null, due_at = null
  where u.name = subscription_name and u.deleted_at is null
  returning u.id;
end;

create or replace function penstock.fail_delivery(subscription bigint, wake_generation bigint)
returns table (failures bigint, retry_ms bigint, failing_ms bigint)
language sql
begin atomic
  update penstock.subscriptions u
  set phase = 'retrying',
      failures = u.failures + 1,
      failing_since = coalesce(u.failing_since, clock_timestamp()),
      due_at = clock_timestamp() + make_interval(
        secs => least(60, (2 ^ least(u.failures, 6)) * (0.8 + 0.4 * random())))
  where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
  returning u.failures,
    ceil(extract(epoch from u.due_at - clock_timestamp()) * 1000)::bigint,
    floor(extract(epoch from clock_timestamp() - u.failing_since) * 1000)::bigint;
end;

create or replace function penstock.find_small_segments(first_page bigint, pages integer)
returns table (stream_id bigint, first_position bigint, small bigint, next_page bigint)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  lower_bound tid := format('(%s,0)', first_page)::tid;
  upper_bound tid := format('(%s,0)', first_page + pages)::tid;
begin
  next_page := case
    when (first_page + pages) * current_setting('block_size')::bigint
      < pg_relation_size('penstock.segments') then first_page + pages
  end;
  return query
    select f.stream_id, f.first_position, f.small, find_small_segments.next_page
    from (values (1)) as one
    left join (
      select g.stream_id, min(g.position) as first_position, count(*) as small
      from penstock.segments g
      where g.ctid >= lower_bound and g.ctid < upper_bound and length(g.data) < 4096
      group by g.stream_id
    ) f on true;
end
$$;

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
    where l.stream_id = any (ids) and s.tail > l.acked and s.state = 'active'
      and v.deleted_at is null and (not l.pending or v.phase = 'idle')
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
    and not l.pending and s.tail > l.acked and s.state = 'active';

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

create or replace function penstock.load_states(paths text[])
returns setof penstock.stream_states
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  return query
    select * from penstock.stream_states s where s.path = any (paths) and s.state <> 'deleted';
end
$$;

create or replace function penstock.lock_streams(ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  stream_id bigint;
begin
  foreach stream_id in array ids loop
    perform pg_advisory_xact_lock(penstock.lock_key(stream_id));
  end loop;
end
$$;

create or replace function penstock.merge_segments(
  stream bigint, from_position bigint, seen_tail bigint, most integer
) returns table (next_position bigint, tail bigint, more boolean, finished boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  run_bytes constant bigint := 65536;
  newest record;
  quiet boolean;
  taken bigint;
  reach bigint;
  stop bigint;
  removed bigint;
begin
  if not pg_try_advisory_xact_lock(penstock.lock_key(-1)) then
    return;
  end if;
  select g.position, g.position + length(g.data) as stop, g.closed into newest
  from penstock.segments g
  where g.stream_id = stream order by g.position desc limit 1;
  if newest.position is null then
    return;
  end if;
  quiet := newest.closed or newest.stop is not distinct from seen_tail;

  -- Up to `most` segments that lie before the newest.
  select count(*), max(c.position) into taken, reach
  from (
    select g.position from penstock.segments g
    where g.stream_id = stream and g.position >= from_position and g.position < newest.position
    order by g.position limit most
  ) c;
  stop := case
    when taken = 0 then from_position
    when taken = most or quiet then reach + 1
    else newest.position - newest.position % run_bytes
  end;

  with runs as (
    select min(g.position) as first, max(g.position) as last,
      string_agg(g.data, ''::bytea order by g.position) as data,
      (array_agg(g.last_seq order by g.position desc))[1] as last_seq
    from penstock.segments g
    where g.stream_id = stream and g.position >= from_position and g.position < stop
      and length(g.data) <= run_bytes
    group by g.position / run_bytes
    having count(*) >= case
      when newest.closed or max(g.position) < newest.position - newest.position % run_bytes then 2
      else 32
    end
  ), merged as (
    update penstock.segments g set data = r.data, last_seq = r.last_seq
    from runs r
    where g.stream_id = stream and g.position = r.first
  )
  delete from penstock.segments g
  using runs r
  where g.stream_id = stream and g.position > r.first and g.position <= r.last;
  get diagnostics removed = row_count;

  more := taken = most;
  finished := quiet and not more;
  tail := newest.stop;
  -- The run that the last segment lies in may not be complete: the next call begins with it.
  next_position := case
    when taken = 0 then from_position
    else greatest(from_position, least(reach, stop) - least(reach, stop) % run_bytes)
  end;
  if more and removed = 0 and next_position = from_position then
    next_position := reach + 1;
  end if;
  return next;
end
$$;

create or replace function penstock.read_segments(
  stream bigint, start bigint, stop bigint, max_segments integer
) returns table (first bigint, data bytea, whole boolean)
language sql stable
begin atomic
  select min(t.position), string_agg(t.data, ''::bytea order by t.position),
    max(t.position + length(t.data)) - min(t.position) = sum(length(t.data))
  from (
    select s.position, s.data
    from penstock.segments s
    where s.stream_id = stream and s.position < stop and s.position >= coalesce(
      (select max(f.position) from penstock.segments f
        where f.stream_id = stream and f.position <= start), start)
    order by s.position
    limit max_segments
  ) t
  having count(*) > 0;
end;

create or replace function penstock.reconcile_links(
  slice integer, pause_ms integer, immediately boolean
) returns table (streams text, wrapped boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  progress penstock.reconciliation;
  seen bigint;
  last_stream bigint;
  last_subscription bigint;
  missed bigint[];
  deleted bigint[];
  linked bigint[];
begin
  select * into progress from penstock.reconciliation t
  where t.id = 1 and (immediately or t.next_at <= statement_timestamp()) for update skip locked;
  if progress.id is null then
    return;
  end if;
  with links as materialized (
    select l.stream_id, l.subscription_id, l.acked, l.pending
    from penstock.subscription_links l
    where (l.stream_id, l.subscription_id) > (progress.stream_id, progress.subscription_id)
    order by l.stream_id, l.subscription_id limit slice
  ), judged as (
    select l.stream_id, l.subscription_id,
      s.id is null or s.state = 'deleted' as deleted,
      s.state = 'active' and s.tail > l.acked and (not l.pending or u.phase = 'idle')
        and u.deleted_at is null as missed
    from links l
    join penstock.subscriptions u on u.id = l.subscription_id
    left join penstock.stream_states s on s.id = l.stream_id
  )
  select (select count(*) from links),
    (select l.stream_id from links l order by 1 desc limit 1),
    (select l.subscription_id from links l order by l.stream_id desc, 1 desc limit 1),
    array_agg(distinct j.stream_id) filter (where j.missed),
    array_agg(distinct j.stream_id) filter (where j.deleted),
    array_agg(distinct j.subscription_id) filter (where j.deleted)
  into seen, last_stream, last_subscription, missed, deleted, linked
  from judged j;

  if deleted is not null then
    -- Only where no wake is in flight: its acknowledgements may still name the stream.
    linked := array(
      select u.id from penstock.subscriptions u
      where u.id = any (linked) and u.phase = 'idle'
      order by u.id for no key update skip locked);
    delete from penstock.subscription_links l
    where l.stream_id = any (deleted) and l.subscription_id = any (linked) and not l.explicit;
    update penstock.subscription_links l
    set stream_id = null, acked = 0, pending = false, glob = false
    where l.stream_id = any (deleted) and l.subscription_id = any (linked);
  end if;

  -- Deleted subscriptions' links go a thousand at a time, and their tombstones after a day.
  delete from penstock.subscription_links l where l.ctid in (
    select k.ctid from penstock.subscriptions u
    join penstock.subscription_links k on k.subscription_id = u.id
    where u.deleted_at is not null limit 1000);
  delete from penstock.subscriptions u
  where u.deleted_at < statement_timestamp() - interval '1 day' and not exists (
    select from penstock.subscription_links k where k.subscription_id = u.id);

  update penstock.reconciliation t
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

create or replace function penstock.refresh_subscription(subscription bigint)
returns table (id bigint, name text, generation bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return;
  end if;
  perform penstock.mark_pending(u.id);
  if u.phase = 'idle' and penstock.has_pending(u.id) then
    return query select u.id, u.name, penstock.issue_wake(u.id);
  end if;
end
$$;

create or replace function penstock.release_wake(
  subscription bigint, wake_generation bigint, wake text
) returns table (outcome text, next_generation bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return query select 'not_found', null::bigint;
  elsif u.generation <> wake_generation or u.wake_id is distinct from wake
    or u.phase <> 'claimed' then
    return query select 'fenced', null::bigint;
  else
    return query
      select case when u.due_at <= clock_timestamp() then 'expired' else 'ok' end,
        penstock.end_wake(u.id);
  end if;
end
$$;

create or replace function penstock.remove_stream(subscription_name text, removed text)
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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

create or replace function penstock.renew_ttls(ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  perform penstock.lock_streams(ids);
  update penstock.streams s set last_access = clock_timestamp()
  where s.id = any (ids) and s.state = 'active'
    and penstock.needs_renewal(s.last_access, s.ttl_seconds)
    and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds);
end
$$;

create or replace function penstock.revoke_access_token(old_id bigint)
returns boolean
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  update penstock.access_revision r set revision = r.revision + 1 where r.id = 1;
  delete from penstock.access_tokens t where t.id = old_id;
  return found;
end
$$;

create or replace function penstock.rotate_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  delete from penstock.keys k where k.retired_at < clock_timestamp() - interval '7 days';
  update penstock.keys k set retired_at = clock_timestamp()
  where k.purpose = new_purpose and k.retired_at is null;
  insert into penstock.keys (kid, purpose, jwk) values (new_kid, new_purpose, new_jwk);
end
$$;

create or replace function penstock.sweep_producers(first_page bigint, pages integer)
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  lower_bound tid := format('(%s,0)', first_page)::tid;
  upper_bound tid := format('(%s,0)', first_page + pages)::tid;
begin
  delete from penstock.producers p
  where p.ctid >= lower_bound and p.ctid < upper_bound and exists (
    select from penstock.producers n
    where n.stream_id = p.stream_id and n.producer_id = p.producer_id
      and (n.epoch, n.last_seq) > (p.epoch, p.last_seq));
  return case
    when (first_page + pages) * current_setting('block_size')::bigint
      < pg_relation_size('penstock.producers') then first_page + pages
  end;
end
$$;

create or replace function penstock.take_due(most integer)
returns table (
  id bigint, name text, was_phase penstock.wake_phase, was_generation bigint, was_holder text,
  next_generation bigint
)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
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
    if u.type = 'pull-wake' and u.phase in ('delivering', 'retrying')
      and penstock.has_pending(u.id) then
      update penstock.subscriptions v
      set phase = 'delivering',
          due_at = clock_timestamp() + penstock.delivery_limit(v.type, v.lease_ttl_ms)
      where v.id = u.id;
      next_generation := u.generation;
    else
      next_generation := penstock.end_wake(u.id);
    end if;
    return next;
  end loop;
end
$$;

create or replace function penstock.terminate_stream(target bigint, expired_only boolean)
returns table (outcome text, terminated bigint[])
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  s penstock.stream_states;
  source penstock.streams;
  result text;
  terminated_ids bigint[] := '{}';
begin
  perform penstock.lock_streams(
    array(select c.id from penstock.fork_chain(target) c order by c.id));
  select * into s from penstock.stream_states v where v.id = target;

  if s.id is null or s.state = 'deleted' then
    return query select 'not_found', terminated_ids;
    return;
  elsif s.state = 'soft_deleted' then
    return query select 'already_soft_deleted', terminated_ids;
    return;
  elsif expired_only and not s.expired then
    return query select 'active', terminated_ids;
    return;
  end if;

  terminated_ids := array[target];
  if s.fork_count > 0 then
    update penstock.streams set state = 'soft_deleted' where id = target;
    result := case when s.expired then 'already_soft_deleted' else 'soft_deleted' end;
    return query select result, terminated_ids;
    return;
  end if;

  result := case when s.expired then 'not_found' else 'deleted' end;
  update penstock.streams set state = 'deleted' where id = target;
  loop
    exit when s.source_id is null;
    update penstock.streams u set fork_count = u.fork_count - 1
    where u.id = s.source_id returning u.* into source;
    exit when source.state <> 'soft_deleted' or source.fork_count > 0;
    update penstock.streams set state = 'deleted' where id = source.id;
    terminated_ids := terminated_ids || source.id;
    select * into s from penstock.stream_states v where v.id = source.id;
  end loop;
  return query select result, terminated_ids;
end
$$;

create or replace function penstock.wake_streams(subscription bigint)
returns table (
  path text, explicit boolean, acked bigint, acked_generation bigint, tail bigint,
  tail_generation bigint
)
language sql stable
begin atomic
  (
    select l.path, l.explicit, l.acked, penstock.generation_at(l.stream_id, l.acked),
      s.tail, penstock.generation_at(l.stream_id, s.tail)
    from penstock.subscription_links l
    join penstock.stream_states s on s.id = l.stream_id
    where l.subscription_id = subscription and l.pending
      and s.tail > l.acked and s.state = 'active' and not s.expired
    order by l.path limit 1000
  ) union all (
    select l.path, l.explicit, l.acked, penstock.generation_at(l.stream_id, l.acked),
      coalesce(s.tail, l.acked), penstock.generation_at(l.stream_id, coalesce(s.tail, l.acked))
    from penstock.subscription_links l
    left join penstock.stream_states s
      on s.id = l.stream_id and s.state = 'active' and not s.expired
    where l.subscription_id = subscription and not l.pending
      and (l.explicit or s.id is not null)
    order by l.path limit 100
  );
end;
