-- For a database that was brought back from a backup, before its first node starts: what is
-- appended from now on gets offsets of another generation than what was lost. A reader that had
-- read beyond the restored end is told so then, even if others have written past its position
-- before it comes back.
--
-- Each stream goes on as a fork of itself at its tail. The old row keeps its bytes and its id,
-- and so the offsets up to the tail, and is soft-deleted under a name that no client has; the
-- new row has all else. Left as they are: closed streams, which end there; those whose writers
-- use Stream-Seq, because the newest value is part of the newest segment; those that are forked
-- a hundred deep.
create or replace function penstock.mark_restored()
returns table (marked bigint, left_as_they_are bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  old_ids bigint[];
  new_ids bigint[];
  tails bigint[];
  paths text[];
begin
  lock table penstock.streams in exclusive mode;
  -- Beyond the ids of the streams that were lost.
  perform setval('penstock.streams_id_seq',
    q.last_value + 1000000 + floor(random() * 1e9)::bigint) from penstock.streams_id_seq q;

  select array_agg(v.id), array_agg(v.tail), array_agg(v.path),
    array_agg(nextval('penstock.streams_id_seq'))
  into old_ids, tails, paths, new_ids
  from penstock.stream_states v
  where v.state = 'active' and not v.closed and v.last_seq is null
    and (select count(*) from penstock.fork_chain(v.id)) < 100;

  update penstock.streams s
  set state = 'soft_deleted', fork_count = s.fork_count + 1, path = chr(1) || s.id
  from unnest(old_ids) as r(id) where s.id = r.id;
  insert into penstock.streams (id, path, content_type, ttl_seconds, expires_at, last_access,
    source_id, source_path, fork_position, fork_anchor, fork_sub_offset, expiry_inherited,
    earliest, retention_age_seconds, retention_bytes, created_at, labels)
  overriding system value
  select r.new_id, r.path, s.content_type, s.ttl_seconds, s.expires_at, s.last_access,
    s.id, s.source_path, r.tail, s.fork_anchor, s.fork_sub_offset, s.expiry_inherited,
    s.earliest, s.retention_age_seconds, s.retention_bytes, s.created_at, s.labels
  from unnest(old_ids, new_ids, tails, paths) as r(old_id, new_id, tail, path)
  join penstock.streams s on s.id = r.old_id;
  update penstock.producers p set stream_id = r.new_id
  from unnest(old_ids, new_ids) as r(old_id, new_id) where p.stream_id = r.old_id;
  update penstock.subscription_links l set stream_id = r.new_id
  from unnest(old_ids, new_ids) as r(old_id, new_id) where l.stream_id = r.old_id;

  return query
    select coalesce(cardinality(new_ids), 0)::bigint,
      count(*) - coalesce(cardinality(new_ids), 0)
    from penstock.streams s where s.state = 'active';
end
$$;
