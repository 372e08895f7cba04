-- The outermost namespace on the way from the operator to a token: what a tenant divides among
-- tokens of its own counts together. '' where there is none. A token's name begins with the
-- namespace of what made it, which tells of the first token that the holder of a JWT makes.
create or replace function penstock.token_tenant(token_id bigint)
returns text
language plpgsql stable
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  tenant text;
begin
  with recursive ancestors (id, parent_id, name, namespace, distance) as (
    select t.id, t.parent_id, t.name, t.namespace, 0
    from penstock.access_tokens t where t.id = token_id
    union all
    select t.id, t.parent_id, t.name, t.namespace, a.distance + 1
    from ancestors a join penstock.access_tokens t on t.id = a.parent_id
  )
  select coalesce(substring(a.name from '^(.+)/[^/]*$'), a.namespace) into tenant
  from ancestors a
  where strpos(a.name, '/') > 0 or a.namespace <> ''
  order by a.distance desc limit 1;
  return coalesce(tenant, '');
end
$$;
