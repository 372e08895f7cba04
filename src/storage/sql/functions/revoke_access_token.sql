-- Deletes a token and all its descendants. Says whether there was one of this id.
create or replace function penstock.revoke_access_token(old_id bigint)
returns boolean
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  update penstock.access_revision r set revision = r.revision + 1 where r.id = 1;
  delete from penstock.access_tokens t where t.id = old_id;
  return found;
end
$$;
