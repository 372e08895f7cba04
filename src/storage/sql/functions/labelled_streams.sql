-- The streams that have all these labels, in no order, if there are at most `most` of them; null
-- when there are more. It goes by the index of labels alone. For labels that very many streams
-- have, the limit of fuzzy searches keeps PostgreSQL from collecting all of them first.
create or replace function penstock.labelled_streams(filter jsonb, most integer) returns bigint[]
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
set enable_indexscan = off
set gin_fuzzy_search_limit = 10000
as $$
declare
  found_ids bigint[];
begin
  found_ids := array(
    select s.id from penstock.streams s where s.labels @> filter limit most + 1
  );
  return case when cardinality(found_ids) <= most then found_ids end;
end
$$;
