-- Takes these streams' locks in the order given, which must be ascending: whatever locks several
-- streams takes them in that order, so no two can wait for each other.
create or replace function penstock.lock_streams(ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  stream_id bigint;
begin
  foreach stream_id in array ids loop
    perform pg_advisory_xact_lock(penstock.lock_key(stream_id));
  end loop;
end
$$;
