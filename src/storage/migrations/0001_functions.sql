-- What drizzle cannot say: storage parameters, and the functions that make one round trip of
-- one group commit. Every function takes its advisory locks in ascending order in a statement of
-- its own: the next statement's snapshot is then younger than the locks.

-- Bytes are appended once and read often, mostly in ranges: never compressed, fetched in parts.
alter table penstock.segments alter column data set storage external;
--> statement-breakpoint
-- Room on each page for HOT updates, and a vacuum that keeps up with a hot row.
alter table penstock.streams set (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 200,
  autovacuum_vacuum_cost_delay = 0
);
--> statement-breakpoint
alter table penstock.producers set (fillfactor = 80);
--> statement-breakpoint
-- Advisory locks are one 64-bit space a database: 'PS' in the top bytes keeps ours apart.
create function penstock.lock_key(stream_id bigint) returns bigint
language sql immutable parallel safe as $$
  select (20563::bigint << 48) | (stream_id & 281474976710655)
$$;
--> statement-breakpoint
-- A stream as decisions see it. By the database's clock only: nodes need not agree on the time.
-- `slides`: a read now has to move last_access. It does so once per tenth of the TTL, so a stream
-- lives a tenth longer than its TTL after the last slide: late perhaps, early never.
-- The statement's time, not the clock's: a volatile function would keep the view from being
-- planned as part of what uses it, and every group commit would read the whole table.
create view penstock.stream_states as
select
  id, path, content_type, state, closed, tail, version, ttl_seconds,
  (extract(epoch from expires_at) * 1000)::bigint as expires_at_ms,
  last_seq, source_id, source_path, fork_position, fork_anchor, fork_sub_offset,
  expiry_inherited, fork_count,
  coalesce(expires_at <= statement_timestamp(), false) or coalesce(
    last_access + make_interval(secs => ttl_seconds * 1.1) <= statement_timestamp(), false
  ) as expired,
  coalesce(
    last_access + make_interval(secs => ttl_seconds * 0.1) <= statement_timestamp(), false
  ) as slides
from penstock.streams;
--> statement-breakpoint
-- Takes the locks of these streams in the order given, which must be ascending.
create function penstock.lock_streams(ids bigint[]) returns void
language plpgsql as $$
declare
  stream_id bigint;
begin
  foreach stream_id in array ids loop
    perform pg_advisory_xact_lock(penstock.lock_key(stream_id));
  end loop;
end
$$;
--> statement-breakpoint
-- One group commit. Arrays of one length each: a row a stream, a row a segment, a row a producer.
-- A stream whose version is not the one decided against (or that has expired or gone meanwhile)
-- is left alone and comes back as a row, to be decided again; every other stream is committed.
-- A stream with `writes` false is only confirmed: its refusals and duplicates rest on its version.
create function penstock.commit_appends(
  ids bigint[], versions bigint[], writes boolean[], tails bigint[], closes boolean[], seqs text[],
  segment_streams bigint[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], bytes bytea,
  producer_streams bigint[], producer_ids text[], producer_epochs bigint[],
  producer_seqs bigint[], producer_closes boolean[]
) returns table (refused_id bigint, stream penstock.stream_states)
language plpgsql as $$
declare
  refused bigint[];
begin
  perform penstock.lock_streams(ids);

  refused := array(
    select r.id
    from unnest(ids, versions) as r(id, version)
    left join penstock.stream_states s on s.id = r.id
    where s.id is null or s.version <> r.version or s.state <> 0 or s.expired
  );

  update penstock.streams s
  set tail = r.tail,
      version = s.version + 1,
      closed = s.closed or r.closes,
      last_seq = coalesce(r.seq, s.last_seq),
      last_access = case when s.ttl_seconds is null then s.last_access else clock_timestamp() end
  from unnest(ids, writes, tails, closes, seqs) as r(id, writes, tail, closes, seq)
  where s.id = r.id and r.writes and r.id <> all (refused);

  insert into penstock.segments (stream_id, position, data)
  select r.stream_id, r.position, substring(bytes from r.start + 1 for r.length)
  from unnest(segment_streams, segment_positions, segment_starts, segment_lengths)
    as r(stream_id, position, start, length)
  where r.stream_id <> all (refused);

  if cardinality(producer_streams) > 0 then
    insert into penstock.producers as p (stream_id, producer_id, epoch, last_seq, closed_stream)
    select * from unnest(producer_streams, producer_ids, producer_epochs, producer_seqs,
        producer_closes) as r(stream_id, producer_id, epoch, last_seq, closed_stream)
    where r.stream_id <> all (refused)
    on conflict (stream_id, producer_id) do update
    set epoch = excluded.epoch,
        last_seq = excluded.last_seq,
        closed_stream = excluded.closed_stream;
  end if;

  if cardinality(refused) > 0 then
    return query
      select r.id, s
      from unnest(refused) as r(id)
      left join penstock.stream_states s on s.id = r.id;
  end if;
end
$$;
--> statement-breakpoint
-- Creates many streams at once. Paths come sorted, so that two nodes that create the same ones
-- wait for each other in one order. Answers a row for each path that now exists.
create function penstock.create_streams(
  paths text[], content_types text[], ttls bigint[], expiries_ms bigint[], closes boolean[],
  tails bigint[],
  segment_paths text[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], bytes bytea
) returns table (created boolean, stream penstock.stream_states)
language plpgsql as $$
declare
  created_paths text[];
begin
  with inserted as (
    insert into penstock.streams as s (path, content_type, ttl_seconds, expires_at, closed, tail)
    select r.path, r.content_type, r.ttl, to_timestamp(r.expiry_ms / 1000.0), r.closes, r.tail
    from unnest(paths, content_types, ttls, expiries_ms, closes, tails)
      as r(path, content_type, ttl, expiry_ms, closes, tail)
    on conflict (path) where state < 2 do nothing
    returning s.id, s.path
  ), stored as (
    insert into penstock.segments (stream_id, position, data)
    select i.id, r.position, substring(bytes from r.start + 1 for r.length)
    from unnest(segment_paths, segment_positions, segment_starts, segment_lengths)
      as r(path, position, start, length)
    join inserted i on i.path = r.path
  )
  select array_agg(i.path) into created_paths from inserted i;

  return query
    select coalesce(s.path = any (created_paths), false), s
    from penstock.stream_states s
    where s.path = any (paths) and s.state < 2;
end
$$;
--> statement-breakpoint
-- Creates one fork, if its source still lives and reaches the fork position.
-- outcome: 'created', 'exists' (with the stream in the way), or 'source' (with the source as it
-- stands; no row when it is gone altogether).
create function penstock.create_fork(
  fork_path text, fork_content_type text, ttl bigint, expiry_ms bigint, inherited boolean,
  closes boolean, fork_source bigint, fork_source_path text, fork_at bigint, anchor bigint,
  sub_offset bigint, new_tail bigint,
  segment_positions bigint[], segment_starts integer[], segment_lengths integer[], bytes bytea
) returns table (outcome text, stream penstock.stream_states)
language plpgsql as $$
declare
  new_id bigint;
begin
  perform penstock.lock_streams(array[fork_source]);

  if not exists (
    select from penstock.stream_states s
    where s.id = fork_source and s.state = 0 and not s.expired and s.tail >= fork_at
  ) then
    return query select 'source', s from penstock.stream_states s where s.id = fork_source;
    return;
  end if;

  insert into penstock.streams (path, content_type, ttl_seconds, expires_at, expiry_inherited,
    closed, tail, source_id, source_path, fork_position, fork_anchor, fork_sub_offset)
  values (fork_path, fork_content_type, ttl, to_timestamp(expiry_ms / 1000.0), inherited,
    closes, new_tail, fork_source, fork_source_path, fork_at, anchor, sub_offset)
  on conflict (path) where state < 2 do nothing
  returning id into new_id;

  if new_id is null then
    return query select 'exists', s from penstock.stream_states s
      where s.path = fork_path and s.state < 2;
    return;
  end if;

  update penstock.streams set fork_count = fork_count + 1 where id = fork_source;

  insert into penstock.segments (stream_id, position, data)
  select new_id, r.position, substring(bytes from r.start + 1 for r.length)
  from unnest(segment_positions, segment_starts, segment_lengths) as r(position, start, length);

  return query select 'created', s from penstock.stream_states s where s.id = new_id;
end
$$;
--> statement-breakpoint
-- A stream and its sources, nearest first.
create function penstock.lineage(stream_id bigint)
returns table (id bigint, source_id bigint, fork_position bigint)
language sql stable as $$
  with recursive chain as (
    select s.id, s.source_id, s.fork_position, 0 as depth
    from penstock.streams s where s.id = stream_id
    union all
    select s.id, s.source_id, s.fork_position, c.depth + 1
    from chain c join penstock.streams s on s.id = c.source_id
  )
  select c.id, c.source_id, c.fork_position from chain c order by c.depth
$$;
--> statement-breakpoint
-- Ends a stream: by DELETE, or (expired_only) because its time has come. With forks it is
-- soft-deleted; without, it is dead, and so is every soft-deleted source it was the last fork of.
-- outcome: 'deleted', 'soft_deleted', 'already_soft_deleted', 'not_found' (dead before, or expired
-- before a DELETE came), 'living' (expired_only, and it is not).
-- A source is always older than its forks, so the chain locked in ascending order cannot meet a
-- group commit's locks the wrong way round.
create function penstock.retire(target bigint, expired_only boolean)
returns table (outcome text, ended bigint[])
language plpgsql as $$
declare
  s penstock.stream_states;
  source penstock.streams;
  result text;
  ended_ids bigint[] := '{}';
begin
  perform penstock.lock_streams(array(select l.id from penstock.lineage(target) l order by l.id));
  select * into s from penstock.stream_states v where v.id = target;

  if s.id is null or s.state = 2 then
    return query select 'not_found', ended_ids;
    return;
  elsif s.state = 1 then
    return query select 'already_soft_deleted', ended_ids;
    return;
  elsif expired_only and not s.expired then
    return query select 'living', ended_ids;
    return;
  end if;

  ended_ids := array[target];
  if s.fork_count > 0 then
    update penstock.streams set state = 1, version = version + 1 where id = target;
    result := case when s.expired then 'already_soft_deleted' else 'soft_deleted' end;
    return query select result, ended_ids;
    return;
  end if;

  result := case when s.expired then 'not_found' else 'deleted' end;
  update penstock.streams set state = 2, version = version + 1 where id = target;
  loop
    exit when s.source_id is null;
    update penstock.streams u set fork_count = u.fork_count - 1
    where u.id = s.source_id returning u.* into source;
    exit when source.state <> 1 or source.fork_count > 0;
    update penstock.streams set state = 2, version = version + 1 where id = source.id;
    ended_ids := ended_ids || source.id;
    select * into s from penstock.stream_states v where v.id = source.id;
  end loop;
  return query select result, ended_ids;
end
$$;
--> statement-breakpoint
-- Moves the TTL windows of streams that were read. Under the streams' locks, so that its row locks
-- cannot meet a group commit's in another order.
create function penstock.slide(ids bigint[]) returns void
language plpgsql as $$
begin
  perform penstock.lock_streams(ids);
  update penstock.streams s set last_access = clock_timestamp()
  from penstock.stream_states v
  where s.id = any (ids) and v.id = s.id and v.slides and not v.expired and v.state = 0;
end
$$;
--> statement-breakpoint
-- A run of bytes of one stream's own segments that begins at or before `start`, and covers as
-- much of [start, stop) as `max_segments` reach. `whole` is false when segments are missing in
-- between (the stream is being reaped).
create function penstock.read_segments(
  stream bigint, start bigint, stop bigint, max_segments integer
) returns table (first bigint, data bytea, whole boolean)
language sql stable as $$
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
  having count(*) > 0
$$;
