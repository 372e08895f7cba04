-- Merges small neighbouring segments of a stream, from a position on. Positions are divided into
-- runs of 64 KiB; the segments that begin in one run become one. So every byte is rewritten once,
-- or twice where a stream was quiet in the middle of a run. What was appended more than an hour
-- after the first of a run becomes another, so that retention by age is kept to the hour.
--
-- Bytes and positions stay, in one transaction: a read sees the ones or the other. The newest
-- segment is left as it is, for it is the stream's state, and it has to be found at once while what
-- was merged is kept for older snapshots behind it. A run that the stream may still grow in is
-- merged when the stream is closed; or when its tail is where it was when it was last seen
-- (`seen_tail`), and the run has 32 segments.
--
-- Returns the position to go on from, the tail, and `more` when there is more to do at once;
-- `finished` when nothing will be until the stream grows. No row when the stream is gone, or while
-- another node merges or sweeps.
create or replace function penstock.merge_segments(
  stream bigint, from_position bigint, seen_tail bigint, most integer
) returns table (next_position bigint, tail bigint, more boolean, finished boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  run_bytes constant bigint := 65536;
  newest record;
  quiet boolean;
  taken bigint;
  reach bigint;
  stop bigint;
  run record;
  in_run bigint;
  removed bigint;
begin
  if not pg_try_advisory_xact_lock(penstock.lock_key(-1)) then
    return;
  end if;
  select g.position, g.position + length(g.data) as stop, g.closed into newest
  from penstock.segments g
  where g.stream_id = stream order by g.position desc limit 1;
  if newest.position is null then
    return;
  end if;
  quiet := newest.closed or newest.stop is not distinct from seen_tail;

  -- Up to `most` segments that lie before the newest.
  select count(*), max(c.position) into taken, reach
  from (
    select g.position from penstock.segments g
    where g.stream_id = stream and g.position >= from_position and g.position < newest.position
    order by g.position limit most
  ) c;
  -- Of more than can be taken at once, whole runs, so that no byte is rewritten for the next call.
  stop := case
    when taken = 0 then from_position
    when taken = most and reach / run_bytes > from_position / run_bytes
      then reach - reach % run_bytes
    when taken = most or quiet then reach + 1
    else newest.position - newest.position % run_bytes
  end;

  removed := 0;
  for run in
    with small as (
      select g.position, g.position / run_bytes as run, floor(extract(epoch from
        max(g.appended_at) over w - first_value(g.appended_at) over w) / 3600) as hour
      from penstock.segments g
      where g.stream_id = stream and g.position >= from_position and g.position < stop
        and length(g.data) <= run_bytes
      window w as (partition by g.position / run_bytes order by g.position)
    )
    select min(g.position) as first, max(g.position) as last,
      string_agg(g.data, ''::bytea order by g.position) as data,
      (array_agg(g.last_seq order by g.position desc))[1] as last_seq,
      max(g.appended_at) as appended_at
    from small m
    -- Each by its key, whatever the statistics of the table say or do not say yet.
    cross join lateral (
      select s.* from penstock.segments s
      where s.stream_id = stream and s.position = m.position
      limit 1
    ) g
    group by m.run, m.hour
    having count(*) >= case
      when newest.closed or max(g.position) < newest.position - newest.position % run_bytes then 2
      else 32
    end
  loop
    -- Inserted, not updated: an updated row stays in its page if there is room, and the table's
    -- file can be cut only behind the last row.
    delete from penstock.segments g
    where g.stream_id = stream and g.position >= run.first and g.position <= run.last;
    get diagnostics in_run = row_count;
    removed := removed + in_run - 1;
    insert into penstock.segments (stream_id, position, last_seq, data, appended_at)
    values (stream, run.first, run.last_seq, run.data, run.appended_at);
  end loop;

  more := taken = most;
  finished := quiet and not more;
  tail := newest.stop;
  -- The run that the last segment lies in may not be complete: the next call begins with it.
  next_position := case
    when taken = 0 then from_position
    else greatest(from_position, least(reach, stop) - least(reach, stop) % run_bytes)
  end;
  if more and removed = 0 and next_position = from_position then
    next_position := reach + 1;
  end if;
  return next;
end
$$;
