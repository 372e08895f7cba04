-- The streams of which small segments lie in a run of the table's pages: how many there are, and
-- the position of the first. `next_page` is the page to go on with, null behind the last. One row
-- without a stream when there is none.
create or replace function penstock.find_small_segments(first_page bigint, pages integer)
returns table (stream_id bigint, first_position bigint, small bigint, next_page bigint)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  lower_bound tid := format('(%s,0)', first_page)::tid;
  upper_bound tid := format('(%s,0)', first_page + pages)::tid;
begin
  next_page := case
    when (first_page + pages) * current_setting('block_size')::bigint
      < pg_relation_size('penstock.segments') then first_page + pages
  end;
  return query
    select f.stream_id, f.first_position, f.small, find_small_segments.next_page
    from (values (1)) as one
    left join (
      select g.stream_id, min(g.position) as first_position, count(*) as small
      from penstock.segments g
      where g.ctid >= lower_bound and g.ctid < upper_bound and length(g.data) < 4096
      group by g.stream_id
    ) f on true;
end
$$;
