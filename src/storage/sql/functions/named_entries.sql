-- Of the streams at these paths, up to `most` that are active and have the labels of `filter`, in
-- byte order of their paths.
create or replace function penstock.named_entries(paths text[], filter jsonb, most integer)
returns setof penstock.stream_entries
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set jit = off
as $$
begin
  return query
    select e.* from penstock.stream_entries e
    where e.path = any (paths) and e.state = 'active' and e.state <> 'deleted' and not e.expired
      and (filter is null or e.labels::jsonb @> filter)
    order by e.path limit most;
end
$$;
