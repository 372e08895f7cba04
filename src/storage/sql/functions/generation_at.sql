-- The generation of an offset: the id of the stream that stored the byte before the position, which
-- in a fork's inherited part is one of its sources; 0 at the start, before which there is no byte.
-- Of a stream that has been reaped it is the stream's own id.
create or replace function penstock.generation_at(stream_id bigint, "position" bigint)
returns bigint
language sql stable
begin atomic
  select case
    when "position" = 0 then 0
    else coalesce(
      (
        select c.id
        from penstock.fork_chain(stream_id) with ordinality
          as c(id, source_id, fork_position, nearness)
        where "position" > coalesce(c.fork_position, 0)
        order by c.nearness limit 1
      ),
      stream_id
    )
  end;
end;
