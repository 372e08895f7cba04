-- Creates one fork, if its source is active, reaches the fork position and still has what is before
-- it. The fork begins where its source does now: of what that drops later, it keeps its part.
-- outcome: 'created', 'exists' (with the stream that has the path), 'source' (with the source as it
-- is; no row when it is gone altogether), or 'too_deep': a chain holds at most 100 streams, because
-- reads follow it and a deletion at its end locks all of it.
create or replace function penstock.create_fork(
  fork_path text, fork_content_type text, ttl bigint, expiry_ms bigint, inherited boolean,
  fork_source bigint, fork_source_path text, fork_at bigint, anchor bigint,
  sub_offset bigint, segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], segment_closes boolean[], bytes bytea,
  retention_age bigint default null, retention_size bigint default null,
  fork_labels text default null
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
      and s.earliest <= fork_at
  ) then
    return query select 'source', s from penstock.stream_states s where s.id = fork_source;
    return;
  end if;

  if (select count(*) from penstock.fork_chain(fork_source)) >= 100 then
    return query select 'too_deep', null::penstock.stream_states;
    return;
  end if;

  insert into penstock.streams (path, content_type, ttl_seconds, expires_at, expiry_inherited,
    source_id, source_path, fork_position, fork_anchor, fork_sub_offset,
    retention_age_seconds, retention_bytes, labels, earliest)
  select fork_path, fork_content_type, ttl, to_timestamp(expiry_ms / 1000.0), inherited,
    fork_source, fork_source_path, fork_at, anchor, sub_offset, retention_age, retention_size,
    fork_labels::jsonb, s.earliest
  from penstock.streams s where s.id = fork_source
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
