-- Of these streams, those that hold more than they are to keep, and where each is to begin; see
-- `retention_cut`. What nearly all of them have in common is told cheaply: they are no longer than
-- `size`, and the segment that they begin with is younger than `age`.
create or replace function penstock.find_retention_cuts(
  ids bigint[], ages bigint[], sizes bigint[]
) returns table (stream_id bigint, cut bigint)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  return query
    select d.id, d.cut
    from (
      select s.id, s.earliest, penstock.retention_cut(s.id, r.age, r.size) as cut
      from unnest(ids, ages, sizes) as r(id, age, size)
      join penstock.stream_states s on s.id = r.id
      where s.state = 'active' and not s.expired and s.tail > s.earliest and (
        s.tail - s.earliest > r.size
        or (r.age is not null and (
          s.earliest < s.fork_position or exists (
            select from penstock.segments g
            where g.stream_id = s.id and g.position = (
                select max(f.position) from penstock.segments f
                where f.stream_id = s.id and f.position <= s.earliest)
              and g.appended_at <= statement_timestamp()
                - make_interval(secs => r.age::float8)))))
      offset 0
    ) d
    where d.cut > d.earliest;
end
$$;
