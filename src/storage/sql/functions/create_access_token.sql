-- Stores a token, and says what came of it: 'created', 'exists', 'full', or 'parent_gone'. An
-- expired token gives up its name. A child expires with its parent at the latest.
create or replace function penstock.create_access_token(
  new_name text,
  new_hash text,
  new_rules text,
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
  if (select count(*) from penstock.access_tokens t) >= most_tokens then
    return 'full';
  end if;
  insert into penstock.access_tokens (name, hash, rules, parent_id, expires_at)
  values (
    new_name, new_hash, new_rules, new_parent_id,
    least(to_timestamp(new_expires_at_ms / 1000.0), parent_expires_at)
  )
  on conflict (name) do nothing;
  return case when found then 'created' else 'exists' end;
end
$$;
