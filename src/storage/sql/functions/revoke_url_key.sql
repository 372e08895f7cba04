-- Deletes a key of signed URLs. Says whether there was one of this id.
create or replace function penstock.revoke_url_key(old_id text)
returns boolean
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  update penstock.access_revision r set revision = r.revision + 1 where r.id = 1;
  delete from penstock.url_keys k where k.id = old_id;
  return found;
end
$$;
