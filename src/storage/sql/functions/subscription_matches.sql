-- Whether the subscription's pattern matches the path. Its own wake stream never does: it would
-- wake itself for ever.
create or replace function penstock.subscription_matches(s penstock.subscriptions, path text)
returns boolean
language sql immutable parallel safe
return coalesce(
  '/' || path ~ (s).pattern_regex and path is distinct from (s).wake_stream, false
);
