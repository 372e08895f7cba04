-- The functions, the view and the trigger of a database whose last step is 0002_access_tokens, as the
-- Penstock of then made them. Frozen: the test of an upgrade begins with them. Of plpgsql functions that
-- its older node does not call only the signature is left, for that decides whether a new one replaces
-- it; the bodies of SQL functions say what depends on what.

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
as $$ begin end $$;

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
as $$ begin end $$;

create or replace function penstock.add_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
as $$ begin end $$;

create or replace function penstock.add_streams(subscription_name text, paths text[])
returns bigint
language plpgsql
as $$ begin end $$;

create or replace function penstock.backfill_links(subscription bigint, after text, most integer)
returns text
language plpgsql
as $$ begin end $$;

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
as $$ begin end $$;

create or replace function penstock.claim_wake(subscription_name text, worker text)
returns table (
  outcome text, id bigint, generation bigint, wake_id text, holder text, lease_ttl_ms bigint
)
language plpgsql
as $$ begin end $$;

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
as $$ begin end $$;

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
as $$ begin end $$;

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
as $$ begin end $$;

create or replace function penstock.issue_wakes(ids bigint[])
returns table (id bigint, name text, generation bigint)
language plpgsql
as $$ begin end $$;

create or replace function penstock.load_producers(streams bigint[], ids text[])
returns setof penstock.producers
language plpgsql stable
as $$ begin end $$;

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
as $$ begin end $$;

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
as $$ begin end $$;

create or replace function penstock.refresh_subscription(subscription bigint)
returns table (id bigint, name text, generation bigint)
language plpgsql
as $$ begin end $$;

create or replace function penstock.release_wake(
  subscription bigint, wake_generation bigint, wake text
) returns table (outcome text, next_generation bigint)
language plpgsql
as $$ begin end $$;

create or replace function penstock.remove_stream(subscription_name text, removed text)
returns bigint
language plpgsql
as $$ begin end $$;

create or replace function penstock.renew_ttls(ids bigint[]) returns void
language plpgsql
as $$ begin end $$;

create or replace function penstock.revoke_access_token(old_id bigint)
returns boolean
language plpgsql
as $$ begin end $$;

create or replace function penstock.rotate_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
as $$ begin end $$;

create or replace function penstock.sweep_producers(first_page bigint, pages integer)
returns bigint
language plpgsql
as $$ begin end $$;

create or replace function penstock.take_due(most integer)
returns table (
  id bigint, name text, was_phase penstock.wake_phase, was_generation bigint, was_holder text,
  next_generation bigint
)
language plpgsql
as $$ begin end $$;

create or replace function penstock.terminate_stream(target bigint, expired_only boolean)
returns table (outcome text, terminated bigint[])
language plpgsql
as $$ begin end $$;

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
