-- A group commit of one stream and at most one segment, without producers: what most commits are.
-- Rows are written as they are instead of being joined out of seventeen arrays, which takes 40 µs
-- less of the 90 that a commit takes beyond its round trip and its fsync.
create function penstock.commit_append(
  id bigint, expected bigint, floats_from bigint, new_tail bigint, closes boolean, seq text,
  at bigint, bytes bytea
) returns table (changed_id bigint, moved boolean, stream penstock.stream_states)
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(commit_append.id));

  -- As in commit_appends.
  update penstock.streams s
  set tail = new_tail,
      version = s.version + 1,
      closed = s.closed or closes,
      last_seq = coalesce(seq, s.last_seq),
      last_access = case when s.ttl_seconds is null then s.last_access else clock_timestamp() end
  where s.id = commit_append.id and s.version = expected and s.state = 0
    and (s.expires_at is null or s.expires_at > statement_timestamp())
    and (s.ttl_seconds is null
      or s.last_access + make_interval(secs => s.ttl_seconds * 1.1) > statement_timestamp());

  if not found then
    return query select * from penstock.commit_appends(
      array[id], array[expected], array[true], array[floats_from], array[new_tail], array[closes],
      array[seq],
      array_remove(array[case when bytes is not null then id end], null), array[at], array[0],
      array[length(bytes)], bytes,
      '{}', '{}', '{}', '{}', '{}');
  elsif bytes is not null then
    insert into penstock.segments (stream_id, position, data)
    values (commit_append.id, at, bytes);
  end if;
end
$$;
