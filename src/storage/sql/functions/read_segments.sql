-- A run of bytes of one stream's own segments: it begins at or before `start`, and covers as much
-- of [start, stop) as `max_segments` reach. `whole` is false when segments in between are missing,
-- which is so while the sweep takes a deleted stream away.
create or replace function penstock.read_segments(
  stream bigint, start bigint, stop bigint, max_segments integer
) returns table (first bigint, data bytea, whole boolean)
language sql stable
begin atomic
  select min(t.position), string_agg(t.data, ''::bytea order by t.position),
    max(t.position + length(t.data)) - min(t.position) = sum(length(t.data))
  from (
    select s.position, s.data
    from penstock.segments s
    where s.stream_id = stream and s.position < stop and s.position >= coalesce(
      (select max(f.position) from penstock.segments f
        where f.stream_id = stream and f.position <= start), start)
    order by s.position
    limit max_segments
  ) t
  having count(*) > 0;
end;
