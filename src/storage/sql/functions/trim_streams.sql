-- Drops what lies before these positions, each a boundary of messages and not beyond its stream's
-- tail. A stream's earliest position never falls. Nothing is deleted here: from now on it is not
-- served, and `delete_trimmed` comes for it. It takes the streams' locks, `ids` being in ascending
-- order, so that its row locks cannot meet a group commit's in another order. Returns where each
-- stream that is active begins now.
create or replace function penstock.trim_streams(ids bigint[], positions bigint[])
returns table (trimmed_id bigint, earliest bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  perform penstock.lock_streams(ids);
  update penstock.streams s set earliest = r.position
  from unnest(ids, positions) as r(id, position)
  where s.id = r.id and s.state = 'active' and s.earliest < r.position;
  -- A fork may have been the last reader of what its sources have dropped.
  perform penstock.note_trims(array(
    select c.id from unnest(ids) as i(id) cross join lateral penstock.fork_chain(i.id) c));
  return query
    select s.id, s.earliest from penstock.streams s where s.id = any (ids) and s.state = 'active';
end
$$;
