-- How many streams lie in the range (after, range_to) of paths, and how many bytes they store,
-- reading the first `most` of them: what a quota is compared with. Streams that were deleted while
-- forks still read them count too, for their bytes are kept. `next_after` is the path to go on
-- after, null behind the last, so that no statement takes long however much there is.
create or replace function penstock.count_stored(after text, range_to text, most integer)
returns table (streams bigint, bytes bigint, next_after text)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return query
    select count(*),
      coalesce(sum(e.bytes), 0)::bigint,
      case when count(*) = most then max(e.path) end
    from (
      select s.id from penstock.streams s
      where s.state <> 'deleted' and s.path > after and s.path < range_to
      order by s.path limit most
    ) c
    join penstock.stream_entries e on e.id = c.id;
end
$$;
