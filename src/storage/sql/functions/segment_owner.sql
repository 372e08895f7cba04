-- The stream whose segments hold the byte at a position of this one: itself, or one that it was
-- forked from; and the position at which that part of it ends, null for its own.
create or replace function penstock.segment_owner(stream_id bigint, "position" bigint)
returns table (id bigint, stop bigint)
language sql stable
begin atomic
  select c.id, c.stop
  from (
    select c.id, c.fork_position, c.nearness, min(c.fork_position) over (
      order by c.nearness rows between unbounded preceding and 1 preceding) as stop
    from penstock.fork_chain(stream_id) with ordinality
      as c(id, source_id, fork_position, nearness)
  ) c
  where "position" >= coalesce(c.fork_position, 0)
  order by c.nearness limit 1;
end;
