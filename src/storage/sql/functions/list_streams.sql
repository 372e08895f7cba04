-- A page of the listing: up to `most` active streams behind the path `after`, in byte order of
-- paths, which lie in the ranges [range_from, range_to). The ranges are ascending and do not
-- overlap. `allowed` is a regular expression that `/` and a path have to match, `filter` an
-- object of labels that a stream has to have; null: all.
--
-- At most `budget` paths are examined, those that match nothing included, so a page may have fewer
-- streams, or none, and yet not be the last. Its last row then has no entry, and the path to go on
-- behind: one that the reader may not be allowed to know of. All statements see one snapshot,
-- because the function is stable.
--
-- Paths are examined in portions, by the index of paths alone, and of those only that match is
-- anything else read. Without `allowed` all match, so a portion is read as one range.
create or replace function penstock.list_streams(
  range_from text[], range_to text[], after text, allowed text, filter jsonb, most integer,
  budget integer
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
  examined integer;
  found integer;
  reach text;
  matching text[];
begin
  if filter is not null then
    labelled := penstock.labelled_streams(filter, 2000);
  end if;

  if labelled is not null then
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
            and (allowed is null or '/' || s.path ~ allowed)
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
  end if;

  for i in 1 .. cardinality(range_from) loop
    loop
      if budget <= 0 then
        return query select after, null::penstock.stream_entries;
        return;
      end if;
      portion := least(portion, budget);
      select count(*), max(c.path),
        array_agg(c.path) filter (where allowed is not null and '/' || c.path ~ allowed)
      into examined, reach, matching
      from (
        select s.path from penstock.streams s
        where s.state <> 'deleted' and s.path > after
          and s.path >= range_from[i] and s.path < range_to[i]
        order by s.path limit portion
      ) c;
      exit when examined = 0;

      if allowed is null then
        return query
          select null::text, e from penstock.stream_entries e
          where e.state = 'active' and e.state <> 'deleted' and not e.expired
            and e.path > after and e.path >= range_from[i] and e.path <= reach
            and (filter is null or e.labels::jsonb @> filter)
          order by e.path limit most;
      else
        return query
          select null::text, e from penstock.stream_entries e
          where e.state = 'active' and e.state <> 'deleted' and not e.expired
            and e.path = any (matching)
            and (filter is null or e.labels::jsonb @> filter)
          order by e.path limit most;
      end if;
      get diagnostics found = row_count;
      most := most - found;
      if most <= 0 then
        return;
      end if;
      after := reach;
      budget := budget - examined;
      exit when examined < portion;
      portion := portion * 4;
    end loop;
  end loop;
end
$$;
