-- Renews the TTLs of streams that were read, where that is due and they have not expired. It takes
-- the streams' locks, given in ascending order, so that its row locks cannot meet a group commit's
-- in another order.
create or replace function penstock.renew_ttls(ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
  perform penstock.lock_streams(ids);
  update penstock.streams s set last_access = clock_timestamp()
  where s.id = any (ids) and s.state = 'active'
    and penstock.needs_renewal(s.last_access, s.ttl_seconds)
    and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds);
end
$$;
