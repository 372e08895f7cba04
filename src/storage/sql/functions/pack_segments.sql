-- Moves the segments of the table's last pages to its front, if they are few and small: then VACUUM
-- can cut the file, which ends with the last page that has a row. Where many small segments were
-- merged, those that are left lie behind the room of the others. It is worth it where what is moved
-- takes at most a third of the room that is gained, and that is `fewest_pages` or more.
--
-- Rows are deleted and inserted again, in one transaction: updated, they would stay in their pages.
-- Meant to be called after a VACUUM, which makes PostgreSQL fill the first pages first; when the
-- rows do not get before where they were (an older snapshot keeps the room), nothing is moved.
--
-- Returns how many segments were moved; null when it has to be tried again: there was no room, or
-- another node merges or sweeps.
create or replace function penstock.pack_segments(fewest_pages bigint default 32)
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  most_pages constant bigint := 4096;
  page_bytes constant bigint := current_setting('block_size')::bigint;
  pages constant bigint := pg_relation_size('penstock.segments') / page_bytes;
  first_page constant bigint := greatest(1, pages - most_pages);
  lower_bound tid := format('(%s,0)', first_page)::tid;
  cut bigint;
  moved bigint;
  last_page bigint;
begin
  if pages <= fewest_pages then
    return 0;
  end if;
  if not pg_try_advisory_xact_lock(penstock.lock_key(-1)) then
    return null;
  end if;
  -- A cut lies behind a page that has rows, so that the free pages after it are gained as well.
  select min(p.cut) into cut
  from (
    select coalesce(lag(r.page) over (order by r.page), first_page - 1) + 1 as cut,
      sum(r.bytes) over (order by r.page desc) as bytes
    from (
      select (g.ctid::text::point)[0]::bigint as page, sum(100 + length(g.data)) as bytes
      from penstock.segments g
      where g.ctid >= lower_bound
      group by 1
    ) r
  ) p
  where p.cut <= pages - fewest_pages and p.bytes <= (pages - p.cut) * page_bytes / 3;
  if cut is null then
    return 0;
  end if;

  lower_bound := format('(%s,0)', cut)::tid;
  begin
    with taken as (
      delete from penstock.segments g where g.ctid >= lower_bound returning g.*
    ), placed as (
      insert into penstock.segments as g select t.* from taken t returning g.ctid
    )
    select count(*), max((p.ctid::text::point)[0]::bigint) into moved, last_page from placed p;
    if last_page >= cut then
      raise exception 'no room before page %', cut using errcode = 'PS001';
    end if;
  exception when sqlstate 'PS001' then
    moved := null;
  end;
  return moved;
end
$$;
