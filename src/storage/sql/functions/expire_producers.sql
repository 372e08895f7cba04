-- Deletes the states of producers in a run of the table's pages that have not appended for so long.
-- Returns the page to go on with, or null behind the last.
--
-- A producer's newest state goes last, when those that it supersedes are gone: were one of them
-- left, it would be the state, and what was appended after it would be taken again. A producer that
-- appends meanwhile inserts a row that is young; no lock is needed.
create or replace function penstock.expire_producers(
  first_page bigint, pages integer, idle_ms bigint
) returns bigint
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
  where p.ctid >= lower_bound and p.ctid < upper_bound
    and p.appended_at < clock_timestamp() - idle_ms * interval '1 millisecond'
    and not exists (
      select from penstock.producers o
      where o.stream_id = p.stream_id and o.producer_id = p.producer_id
        and (o.epoch, o.last_seq) < (p.epoch, p.last_seq));
  return case
    when (first_page + pages) * current_setting('block_size')::bigint
      < pg_relation_size('penstock.producers') then first_page + pages
  end;
end
$$;
