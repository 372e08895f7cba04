-- A stream and its sources, nearest first.
create or replace function penstock.fork_chain(stream_id bigint)
returns table (id bigint, source_id bigint, fork_position bigint)
language sql stable
begin atomic
  with recursive chain as (
    select s.id, s.source_id, s.fork_position, 0 as depth
    from penstock.streams s where s.id = stream_id
    union all
    select s.id, s.source_id, s.fork_position, c.depth + 1
    from chain c join penstock.streams s on s.id = c.source_id
  )
  select c.id, c.source_id, c.fork_position from chain c order by c.depth;
end;
