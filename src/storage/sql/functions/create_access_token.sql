-- Stores a token, and says what came of it: 'created', 'exists', 'full', or 'parent_gone'. An
-- expired token gives up its name. A child expires with its parent at the latest. The names of one
-- tenant, which is what all of them begin with before the first slash, are counted apart.
create or replace function penstock.create_access_token(
  new_name text,
  new_hash text,
  new_rules text,
  new_namespace text,
  new_parent_id bigint,
  new_expires_at_ms bigint,
  most_tokens bigint
)
returns text
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  parent_expires_at timestamptz;
  tenant text := case when strpos(new_name, '/') > 0 then split_part(new_name, '/', 1) end;
begin
  -- The row is locked until the end: creations and revocations come one after another.
  update penstock.access_revision r set revision = r.revision + 1 where r.id = 1;
  if new_parent_id is not null then
    select p.expires_at into parent_expires_at from penstock.access_tokens p
    where p.id = new_parent_id and (p.expires_at is null or p.expires_at > clock_timestamp());
    if not found then
      return 'parent_gone';
    end if;
  end if;
  delete from penstock.access_tokens t
  where t.name = new_name and t.expires_at <= clock_timestamp();
  if (
    select count(*) from penstock.access_tokens t
    where case when tenant is null then strpos(t.name, '/') = 0
      -- '0' follows '/'.
      else t.name > tenant || '/' and t.name < tenant || '0' end
  ) >= most_tokens then
    return 'full';
  end if;
  insert into penstock.access_tokens (name, hash, rules, namespace, parent_id, expires_at)
  values (
    new_name, new_hash, new_rules, new_namespace, new_parent_id,
    least(to_timestamp(new_expires_at_ms / 1000.0), parent_expires_at)
  )
  on conflict (name) do nothing;
  return case when found then 'created' else 'exists' end;
end
$$;
