-- Deletes superseded states of producers in a run of the table's pages: those that are not the
-- newest of their producer. They lie before the newest in the key, so no load of it meets them,
-- deleted or not. Returns the page to go on with, or null behind the last.
--
-- What is superseded stays so, whatever nodes insert meanwhile: no lock is needed.
create or replace function penstock.sweep_producers(first_page bigint, pages integer)
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  lower_bound tid := format('(%s,0)', first_page)::tid;
  upper_bound tid := format('(%s,0)', first_page + pages)::tid;
begin
  delete from penstock.producers p
  where p.ctid >= lower_bound and p.ctid < upper_bound and exists (
    select from penstock.producers n
    where n.stream_id = p.stream_id and n.producer_id = p.producer_id
      and (n.epoch, n.last_seq) > (p.epoch, p.last_seq));
  return case
    when (first_page + pages) * current_setting('block_size')::bigint
      < pg_relation_size('penstock.producers') then first_page + pages
  end;
end
$$;
