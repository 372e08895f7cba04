-- A stream as decisions see it. What appends change is what the newest segment says, found by one
-- step backwards in the primary key: it costs the same however long the stream is, and whatever
-- snapshots are held. A stream without segments ends where it began. The length of bytes that are
-- stored apart is known without reading them.
--
-- `expired` and `renews_ttl` are inlined, and so is the view, so a query of it is planned as a
-- query of the two tables.
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
  penstock.needs_renewal(s.last_access, s.ttl_seconds) as renews_ttl,
  s.earliest, s.retention_age_seconds, s.retention_bytes,
  s.labels::text as labels
from penstock.streams s
left join lateral (
  select g.position + length(g.data) as stop, g.closed, g.last_seq
  from penstock.segments g
  where g.stream_id = s.id
  order by g.position desc
  limit 1
) newest on true;
