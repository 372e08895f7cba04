-- The paths of up to `most` active streams that were forked from a stream, in byte order.
create or replace function penstock.stream_forks(stream bigint, most integer)
returns table (path text)
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
  return query
    select c.path
    from (
      select s.path from penstock.streams s
      where s.source_id = stream and s.state <> 'deleted' and s.state = 'active'
        and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds)
      limit most
    ) c
    order by c.path;
end
$$;
