-- Deletes segments that were dropped and that no fork reads, of streams noted in `trims`: up to
-- `rows` of them and about `bytes`, so that no transaction is long. The newest segment stays, for
-- it is the stream's state. Of a stream that is done the note is deleted; whatever makes more of it
-- deletable notes it again.
--
-- It takes the lock of the sweep, which merging segments takes too: the two never meet.
--
-- Returns how many segments were deleted, and whether there is more to do at once. No row while
-- another node sweeps.
create or replace function penstock.delete_trimmed(rows bigint, bytes bigint)
returns table (deleted bigint, more boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  -- Half as many as rows, so that many short streams take no longer than few long ones.
  streams_left bigint := least(250, rows / 2);
  t penstock.trims;
  s penstock.stream_states;
  keep_from bigint;
  newest bigint;
  last bigint;
  removed bigint;
  removed_bytes bigint;
begin
  if not pg_try_advisory_xact_lock(penstock.lock_key(-1)) then
    return;
  end if;
  deleted := 0;
  more := true;
  while rows > 0 and bytes > 0 and streams_left > 0 loop
    streams_left := streams_left - 1;
    select * into t from penstock.trims v order by v.stream_id limit 1 for update skip locked;
    if t.stream_id is null then
      more := false;
      exit;
    end if;

    select * into s from penstock.stream_states v where v.id = t.stream_id;
    if s.id is null or s.state = 'deleted' then
      delete from penstock.trims v where v.stream_id = t.stream_id;
      continue;
    end if;
    -- What it serves itself, and what its forks and theirs read of it.
    with recursive readers as (
      select r.id, r.earliest, r.state, r.fork_position as reach
      from penstock.streams r where r.source_id = t.stream_id and r.state <> 'deleted'
      union all
      select r.id, r.earliest, r.state, least(d.reach, r.fork_position)
      from readers d join penstock.streams r on r.source_id = d.id and r.state <> 'deleted'
    )
    select least(case when s.state = 'active' then s.earliest end, min(d.earliest)) into keep_from
    from readers d where d.state = 'active' and d.earliest < d.reach;
    select g.position into newest from penstock.segments g
    where g.stream_id = t.stream_id order by g.position desc limit 1;
    keep_from := coalesce(keep_from, s.tail);

    select count(*), coalesce(sum(c.length), 0), max(c.position)
    into removed, removed_bytes, last
    from (
      select g.position, length(g.data) as length,
        sum(length(g.data)) over (order by g.position) as running
      from (
        select g.position, g.data from penstock.segments g
        where g.stream_id = t.stream_id and g.position >= t.deleted_to and g.position < newest
          and g.position + length(g.data) <= keep_from
        order by g.position limit rows
      ) g
    ) c
    where c.running - c.length < bytes;
    if removed = 0 then
      delete from penstock.trims v where v.stream_id = t.stream_id;
      continue;
    end if;
    delete from penstock.segments g
    where g.stream_id = t.stream_id and g.position >= t.deleted_to and g.position <= last;
    if exists (
      select from penstock.segments g
      where g.stream_id = t.stream_id and g.position > last and g.position < newest
        and g.position + length(g.data) <= keep_from
    ) then
      update penstock.trims v set deleted_to = last where v.stream_id = t.stream_id;
    else
      delete from penstock.trims v where v.stream_id = t.stream_id;
    end if;
    deleted := deleted + removed;
    rows := rows - removed;
    bytes := bytes - removed_bytes;
  end loop;
  return next;
end
$$;
