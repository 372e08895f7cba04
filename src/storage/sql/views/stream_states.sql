-- A stream as decisions see it. `expired` and `renews_ttl` are inlined, so a query of this view is
-- planned as a query of the table.
create or replace view penstock.stream_states as
select
  id, path, content_type, state, closed, tail, version, ttl_seconds,
  (extract(epoch from expires_at) * 1000)::bigint as expires_at_ms,
  last_seq, source_id, source_path, fork_position, fork_anchor, fork_sub_offset,
  expiry_inherited, fork_count,
  penstock.is_expired(expires_at, last_access, ttl_seconds) as expired,
  penstock.needs_renewal(last_access, ttl_seconds) as renews_ttl
from penstock.streams;
