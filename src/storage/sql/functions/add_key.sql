-- Adds a key unless one of its purpose is in use: when several nodes start at once, all use the one
-- that came first.
create or replace function penstock.add_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  insert into penstock.keys (kid, purpose, jwk)
  select new_kid, new_purpose, new_jwk
  where not exists (
    select from penstock.keys k where k.purpose = new_purpose and k.retired_at is null);
end
$$;
