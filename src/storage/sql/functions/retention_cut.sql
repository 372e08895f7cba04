-- Where a stream is to begin so that it keeps at least its last `size` bytes and what was appended
-- in the last `age` seconds, each null where there is no such limit; its earliest position when
-- nothing is to be dropped. It is the beginning of a segment, or the tail, and so between messages.
-- It reads 2,000 segments at most: there may be more to drop.
create or replace function penstock.retention_cut(stream bigint, age bigint, size bigint)
returns bigint
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  s record;
  owner record;
  cut bigint;
  old_until bigint;
begin
  select v.earliest, v.tail into s from penstock.stream_states v where v.id = stream;
  cut := s.earliest;
  if s.tail - s.earliest > size then
    select o.* into owner from penstock.segment_owner(stream, s.tail - size) o;
    cut := greatest(cut, (
      select max(g.position) from penstock.segments g
      where g.stream_id = owner.id and g.position <= s.tail - size));
  end if;
  if age is not null then
    select o.* into owner from penstock.segment_owner(stream, cut) o;
    select coalesce(
      min(c.position) filter (
        where c.appended_at > statement_timestamp() - make_interval(secs => age::float8)),
      max(c.stop)) into old_until
    from (
      select g.position, g.position + length(g.data) as stop, g.appended_at
      from penstock.segments g
      where g.stream_id = owner.id and g.position < coalesce(owner.stop, s.tail)
        and g.position >= coalesce((
          select max(f.position) from penstock.segments f
          where f.stream_id = owner.id and f.position <= cut), cut)
      order by g.position limit 2000
    ) c;
    cut := greatest(cut, least(old_until, owner.stop));
  end if;
  return cut;
end
$$;
