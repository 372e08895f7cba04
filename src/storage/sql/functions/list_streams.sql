-- A page of the listing: up to `most` active streams after the path `after`, in byte order of
-- paths, which lie in the ranges [range_from, range_to). The ranges are ascending and do not
-- overlap. `allowed` is a regular expression that `/` and a path have to match, `filter` an
-- object of labels that a stream has to have; null: all.
--
-- `next_after` is the path to go on after, null behind the last. Of the paths that match
-- `allowed` at most `budget` are examined, so a page may have fewer streams, or none, and yet
-- not be the last; one row without an entry then. `next_after` always matches `allowed`, so it
-- tells nobody of a path that is not theirs. All statements see one snapshot, because the
-- function is stable.
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
set jit = off
as $$
declare
  ids bigint[] := '{}';
  labelled bigint[];
  scanned bigint;
  reach text;
begin
  if filter is not null then
    labelled := penstock.labelled_streams(filter, 2000);
  end if;

  if labelled is not null then
    -- Sorted apart: with the order inside, all streams would be read in the order of their paths.
    ids := array(
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
      order by c.path limit most + 1
    );
  else
    for i in 1 .. cardinality(range_from) loop
      ids := ids || array(
        select c.id
        from (
          select s.id, s.path, s.state, s.expires_at, s.last_access, s.ttl_seconds, s.labels
          from penstock.streams s
          where s.state <> 'deleted' and s.path > after
            and s.path >= range_from[i] and s.path < range_to[i]
            and (allowed is null or '/' || s.path ~ allowed)
          order by s.path limit budget
        ) c
        where c.state = 'active'
          and not penstock.is_expired(c.expires_at, c.last_access, c.ttl_seconds)
          and (filter is null or c.labels @> filter)
        order by c.path limit most + 1 - cardinality(ids)
      );
      exit when cardinality(ids) > most;

      select count(*), max(c.path) into scanned, reach
      from (
        select s.path from penstock.streams s
        where s.state <> 'deleted' and s.path > after
          and s.path >= range_from[i] and s.path < range_to[i]
          and (allowed is null or '/' || s.path ~ allowed)
        order by s.path limit budget
      ) c;
      if scanned >= budget then
        next_after := reach;
        exit;
      end if;
      budget := budget - scanned;
    end loop;
  end if;

  if cardinality(ids) > most then
    select s.path into next_after from penstock.streams s where s.id = ids[most];
    ids := ids[1:most];
  end if;
  if cardinality(ids) = 0 then
    return query select list_streams.next_after, null::penstock.stream_entries;
    return;
  end if;
  return query
    select list_streams.next_after, e
    from unnest(ids) with ordinality as l(id, place)
    join penstock.stream_entries e on e.id = l.id
    order by l.place;
end
$$;
