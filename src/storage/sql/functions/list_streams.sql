-- A page of the listing: up to `most` active streams behind the path `after`, in byte order of
-- paths, which lie in the ranges [range_from, range_to). The ranges are ascending and do not
-- overlap. `filter` is an object of labels that a stream has to have; null: all.
--
-- At most `budget` paths are examined, those of other labels included, so a page may have fewer
-- streams, or none, and yet not be the last. Its last row then has no entry, and the path to go on
-- behind. All statements see one snapshot, because the function is stable.
--
-- Paths are examined in portions, of which each is found by the index of paths alone. The index of
-- labels is asked only behind the first: what a holder of few streams waits for does not depend on
-- how many others have a label.
create or replace function penstock.list_streams(
  range_from text[], range_to text[], after text, filter jsonb, most integer, budget integer
) returns table (next_after text, entry penstock.stream_entries)
language plpgsql stable rows 1000
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set jit = off
as $$
declare
  portion integer := 2 * most + 100;
  labelled bigint[];
  sought boolean := false;
  examined integer;
  found integer;
  reach text;
begin
  for i in 1 .. cardinality(range_from) loop
    loop
      if budget <= 0 then
        return query select after, null::penstock.stream_entries;
        return;
      end if;
      portion := least(portion, budget);
      select count(*), max(c.path) into examined, reach
      from (
        select s.path from penstock.streams s
        where s.state <> 'deleted' and s.path > after
          and s.path >= range_from[i] and s.path < range_to[i]
        order by s.path limit portion
      ) c;
      exit when examined = 0;

      return query
        select null::text, e from penstock.stream_entries e
        where e.state = 'active' and e.state <> 'deleted' and not e.expired
          and e.path > after and e.path >= range_from[i] and e.path <= reach
          and (filter is null or e.labels::jsonb @> filter)
        order by e.path limit most;
      get diagnostics found = row_count;
      most := most - found;
      if most <= 0 then
        return;
      end if;
      after := reach;
      budget := budget - examined;
      exit when examined < portion;
      portion := portion * 4;

      continue when filter is null or sought;
      sought := true;
      labelled := penstock.labelled_streams(filter, 2000);
      continue when labelled is null;
      -- Sorted apart: with the order inside, all streams would be read in the order of their paths.
      return query
        select null::text, e
        from unnest(array(
          select c.id
          from (
            select s.id, s.path
            from unnest(labelled) as l(id)
            join penstock.streams s on s.id = l.id
            where s.path > after and s.state = 'active'
              and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds)
              and exists (
                select from unnest(range_from, range_to) as r(first, stop)
                where s.path >= r.first collate "C" and s.path < r.stop collate "C"
              )
            offset 0
          ) c
          order by c.path limit most
        )) with ordinality as l(id, place)
        join penstock.stream_entries e on e.id = l.id
        order by l.place;
      return;
    end loop;
  end loop;
end
$$;
