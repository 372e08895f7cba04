-- Puts a new key in the place of the one in use, and deletes those that were retired a week ago.
create or replace function penstock.rotate_key(new_kid text, new_purpose text, new_jwk text)
returns void
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(penstock.lock_key(-3));
  delete from penstock.keys k where k.retired_at < clock_timestamp() - interval '7 days';
  update penstock.keys k set retired_at = clock_timestamp()
  where k.purpose = new_purpose and k.retired_at is null;
  insert into penstock.keys (kid, purpose, jwk) values (new_kid, new_purpose, new_jwk);
end
$$;
