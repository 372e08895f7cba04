-- Links up to `most` active streams that the pattern matches, with cursors at their tails, in the
-- order of their paths and beyond `after`. Returns the last path linked, or null when there is no
-- more.
create or replace function penstock.backfill_links(subscription bigint, after text, most integer)
returns text
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
  beyond text;
  linked bigint;
  last text;
begin
  select * into u from penstock.subscriptions v where v.id = subscription;
  -- The first path after all that begin with the prefix's segments: '0' follows '/'.
  beyond := case u.pattern_prefix when '' then chr(1114111) else u.pattern_prefix || '0' end;
  with found as (
    select s.id, s.path, s.tail from penstock.stream_states s
    where s.state = 'active' and s.path > after and s.path >= u.pattern_prefix and s.path < beyond
      and penstock.subscription_matches(u, s.path)
    order by s.path limit most
  ), added as (
    insert into penstock.subscription_links as k
      (subscription_id, path, explicit, glob, stream_id, acked)
    select u.id, f.path, false, true, f.id, f.tail from found f
    on conflict (subscription_id, path) do update set glob = true
  )
  select count(*), max(f.path) into linked, last from found f;
  return case when linked = most then last end;
end
$$;
