-- Builds the primary key of `segments` anew when it has `smallest` bytes and most of it is empty:
-- no VACUUM makes an index smaller. Appends and reads wait while it is built, so that is done only
-- where few segments are left, which takes milliseconds; and not at all when its locks are not free
-- at once. The empty pages of a larger one are used by segments to come.
--
-- Returns whether it was built; null when it has to be tried again, for its locks were not free.
create or replace function penstock.rebuild_segment_index(smallest bigint default 262144)
returns boolean
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set lock_timeout = '50ms'
as $$
declare
  most_segments constant bigint := 50000;
  -- An entry of the index, with what the build leaves free.
  entry_bytes constant bigint := 32;
  held constant bigint := pg_relation_size('penstock.segments_pkey');
  segments bigint;
begin
  if held < smallest or held > 268435456 or not (select pg_has_role(c.relowner, 'usage')
      from pg_class c where c.oid = 'penstock.segments'::regclass) then
    return false;
  end if;
  select count(*) into segments
  from (
    select from penstock.segments g order by g.stream_id, g.position
    limit least(most_segments + 1, held / (3 * entry_bytes))
  ) g;
  if segments > most_segments or segments * entry_bytes * 3 > held - smallest / 2 then
    return false;
  end if;
  if not pg_try_advisory_xact_lock(penstock.lock_key(-1)) then
    return null;
  end if;
  reindex index penstock.segments_pkey;
  return true;
exception when lock_not_available or query_canceled then
  return null;
end
$$;
