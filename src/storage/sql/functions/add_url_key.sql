-- Stores a key of signed URLs, and says what came of it: 'created', 'full', or 'token_gone'.
create or replace function penstock.add_url_key(
  new_id text,
  new_namespace text,
  new_token_id bigint,
  new_secret text,
  most_keys bigint
)
returns text
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  -- Locked until the end: what makes keys and what revokes tokens come one after another.
  perform from penstock.access_revision r where r.id = 1 for update;
  if new_token_id is not null and not exists (
    select from penstock.access_tokens t where t.id = new_token_id
  ) then
    return 'token_gone';
  end if;
  if (select count(*) from penstock.url_keys k where k.namespace = new_namespace) >= most_keys then
    return 'full';
  end if;
  insert into penstock.url_keys (id, namespace, token_id, secret)
  values (new_id, new_namespace, new_token_id, new_secret);
  return 'created';
end
$$;
