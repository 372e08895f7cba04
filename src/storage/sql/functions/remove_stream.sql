-- Removes an explicit link; the path stays linked if the pattern matches it. Returns the
-- subscription's id, or null when there is none of the name.
create or replace function penstock.remove_stream(subscription_name text, removed text)
returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  found_id bigint;
begin
  select u.id into found_id from penstock.subscriptions u
  where u.name = subscription_name and u.deleted_at is null for no key update;
  update penstock.subscription_links l set explicit = false
  where l.subscription_id = found_id and l.path = removed and l.glob and l.stream_id is not null;
  delete from penstock.subscription_links l
  where l.subscription_id = found_id and l.path = removed and l.explicit;
  return found_id;
end
$$;
