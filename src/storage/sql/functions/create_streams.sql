-- Creates many streams at once, each with its first bytes. Paths come sorted, so that two nodes
-- that create the same ones wait for each other in one order. Returns a row for each path that now
-- exists: the stream, and whether this call created it.
create or replace function penstock.create_streams(
  paths text[], content_types text[], ttls bigint[], expiries_ms bigint[],
  segment_paths text[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], segment_closes boolean[], bytes bytea,
  retention_ages bigint[] default '{}', retention_sizes bigint[] default '{}',
  labels text[] default '{}'
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
    insert into penstock.streams as s (path, content_type, ttl_seconds, expires_at,
      retention_age_seconds, retention_bytes, labels)
    select r.path, r.content_type, r.ttl, to_timestamp(r.expiry_ms / 1000.0), r.age, r.size,
      r.labels::jsonb
    from unnest(paths, content_types, ttls, expiries_ms, retention_ages, retention_sizes,
        create_streams.labels)
      as r(path, content_type, ttl, expiry_ms, age, size, labels)
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
