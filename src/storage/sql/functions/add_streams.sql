-- Adds explicit links to a subscription (protocol section 6.4). Returns its id, or null when there
-- is none of the name.
create or replace function penstock.add_streams(subscription_name text, paths text[])
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  found_id bigint;
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-2));
  select u.id into found_id from penstock.subscriptions u
  where u.name = subscription_name and u.deleted_at is null for no key update;
  if found_id is not null then
    perform penstock.link_explicitly(found_id, paths);
  end if;
  return found_id;
end
$$;
