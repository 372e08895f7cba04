-- A stream as listings show it; `bytes` are those that it stores itself. What appends change is
-- read from its newest segment, as in `stream_states`: the listing costs appends nothing.
create or replace view penstock.stream_entries as
select
  s.id, s.path, s.content_type, s.state,
  coalesce(newest.closed, false) as closed,
  coalesce(newest.stop, s.fork_position, 0) as tail,
  s.ttl_seconds,
  (extract(epoch from s.expires_at) * 1000)::bigint as expires_at_ms,
  s.earliest, s.retention_age_seconds, s.retention_bytes,
  s.source_path, s.fork_position, s.fork_count,
  (extract(epoch from s.created_at) * 1000)::bigint as created_at_ms,
  (extract(epoch from newest.appended_at) * 1000)::bigint as last_append_at_ms,
  s.labels::text as labels,
  penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds) as expired,
  coalesce(newest.stop, s.fork_position, 0) - greatest(s.fork_position, s.earliest) as bytes
from penstock.streams s
left join lateral (
  select g.position + length(g.data) as stop, g.closed, g.appended_at
  from penstock.segments g
  where g.stream_id = s.id
  order by g.position desc
  limit 1
) newest on true;
