-- A group commit of one stream and at most one segment, without producers, which is what most are.
-- It promises what `commit_appends` does, and hands over to it when the stream is not as expected.
-- Rows are written as they are instead of being joined out of seventeen arrays, which saves 40 µs
-- of the 90 that a commit takes beyond its round trip and its fsync.
create or replace function penstock.commit_append(
  id bigint, expected bigint, unconditional_from bigint, new_tail bigint, closes boolean, seq text,
  at bigint, bytes bytea
) returns table (changed_id bigint, rebased boolean, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(commit_append.id));

  update penstock.streams s
  set tail = new_tail,
      version = s.version + 1,
      closed = s.closed or closes,
      last_seq = coalesce(seq, s.last_seq),
      last_access = penstock.renewed_access(s.last_access, s.ttl_seconds)
  where s.id = commit_append.id and s.version = expected and s.state = 'active'
    and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds);

  if not found then
    return query select * from penstock.commit_appends(
      array[id], array[expected], array[true], array[unconditional_from], array[new_tail],
      array[closes], array[seq],
      array_remove(array[case when bytes is not null then id end], null), array[at], array[0],
      array[length(bytes)], bytes,
      '{}', '{}', '{}', '{}', '{}');
  elsif bytes is not null then
    insert into penstock.segments (stream_id, position, data)
    values (commit_append.id, at, bytes);
  end if;
end
$$;
