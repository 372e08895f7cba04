-- The streams at these paths, as they are now; soft-deleted ones too.
create or replace function penstock.load_states(paths text[])
returns setof penstock.stream_states
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  return query
    select * from penstock.stream_states s where s.path = any (paths) and s.state <> 'deleted';
end
$$;
