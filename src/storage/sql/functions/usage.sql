-- How many active streams lie in the range [range_from, range_to) of paths, and how many bytes
-- they store. Up to `most` streams are counted one by one. Of more it is estimated, which takes
-- no longer: their number as the planner knows it, their bytes by a sample that the histogram of
-- the paths spreads over the range.
--
-- It changes nothing, but is not stable: PostgreSQL explains no query within a stable function.
create or replace function penstock.usage(range_from text, range_to text, most integer)
returns table (streams bigint, bytes bigint, estimated boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set jit = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  sample constant integer := 2000;
  bounds text[];
  plan json;
  examined bigint;
  factor float8;
begin
  select count(*) into examined from (
    select from penstock.streams s
    where s.state <> 'deleted' and s.path >= range_from and s.path < range_to limit most + 1
  ) c;
  estimated := examined > most;
  if estimated then
    select array_agg(b.bound) into bounds
    from pg_stats t
    cross join lateral unnest(t.histogram_bounds::text::text[]) as b(bound)
    where t.schemaname = 'penstock' and t.tablename = 'streams' and t.attname = 'path'
      and b.bound collate "C" >= range_from and b.bound collate "C" < range_to;
  end if;
  -- A range that no bound of the histogram lies in is sampled from its start.
  bounds := coalesce(bounds, array[range_from]);

  select count(*), count(e.id), coalesce(sum(e.bytes), 0)
  into examined, streams, bytes
  from unnest(bounds) as b(bound)
  cross join lateral (
    select s.id from penstock.streams s
    where s.state <> 'deleted' and s.path >= b.bound and s.path < range_to
    order by s.path
    limit case when estimated then greatest(sample / cardinality(bounds), 1) else most end
  ) x
  left join penstock.stream_entries e on e.id = x.id and e.state = 'active' and not e.expired;

  if estimated then
    execute format('explain (format json) select from penstock.streams s
      where s.state <> ''deleted'' and s.path >= %L and s.path < %L', range_from, range_to)
    into plan;
    factor := greatest((plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8, most)
      / greatest(examined, 1);
    streams := streams * factor;
    bytes := bytes * factor;
  end if;
  return next;
end
$$;
