-- The next `most` paths behind `after` in the ranges [range_from, range_to), as `list_streams` has
-- them, in byte order: of streams that are there, soft-deleted or expired. By the index of paths
-- alone.
create or replace function penstock.list_paths(
  range_from text[], range_to text[], after text, most integer
) returns setof text
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
  found integer;
begin
  for i in 1 .. cardinality(range_from) loop
    return query
      select s.path from penstock.streams s
      where s.state <> 'deleted' and s.path > after
        and s.path >= range_from[i] and s.path < range_to[i]
      order by s.path limit most;
    get diagnostics found = row_count;
    most := most - found;
    exit when most <= 0;
  end loop;
end
$$;
