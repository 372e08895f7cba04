-- Links paths explicitly, with cursors at the tails there are. The caller holds lock_key(-2) and
-- the subscription's row lock.
create or replace function penstock.link_explicitly(subscription bigint, paths text[])
returns void
language sql
begin atomic
  insert into penstock.subscription_links as k
    (subscription_id, path, explicit, glob, stream_id, acked)
  select u.id, r.path, true, s.id is not null and penstock.subscription_matches(u, r.path), s.id,
    coalesce(s.tail, 0)
  from penstock.subscriptions u
  cross join (select distinct p from unnest(paths) p) as r(path)
  left join penstock.stream_states s on s.path = r.path and s.state = 'active'
  where u.id = subscription
  on conflict (subscription_id, path) do update set explicit = true where not k.explicit;
end;
