-- Creates a subscription with its explicit links, or finds the one that has the name. A pattern's
-- links follow in the same transaction, by `backfill_links`.
-- A name that was used before goes on counting its generations, for they must only grow.
create or replace function penstock.create_subscription(
  new_name text, new_type text, new_pattern text, regex text, prefix text, suffix text,
  url text, wake text, lease_ms bigint, about text, hash text, paths text[]
) returns table (created boolean, id bigint, config_hash text)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  new_id bigint;
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-2));
  insert into penstock.subscriptions as u (name, type, pattern, pattern_regex, pattern_prefix,
    pattern_suffix, webhook_url, wake_stream, lease_ttl_ms, description, config_hash, generation)
  values (new_name, new_type, new_pattern, regex, prefix, suffix, url, wake, lease_ms, about, hash,
    coalesce((select max(d.generation) from penstock.subscriptions d
      where d.deleted_at is not null and d.name = new_name), 0))
  on conflict (name) where deleted_at is null do nothing
  returning u.id into new_id;
  if new_id is null then
    return query
      select false, u.id, u.config_hash from penstock.subscriptions u
      where u.name = new_name and u.deleted_at is null;
    return;
  end if;
  perform penstock.link_explicitly(new_id, paths);
  return query select true, new_id, hash;
end
$$;
