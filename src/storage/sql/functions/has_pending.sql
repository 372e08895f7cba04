-- Whether a link of this subscription that is marked as pending still has work: bytes beyond its
-- cursor, in a stream that is active.
create or replace function penstock.has_pending(subscription bigint) returns boolean
language sql stable
return exists (
  select from penstock.subscription_links l
  join penstock.stream_states s on s.id = l.stream_id
  where l.subscription_id = subscription and l.pending
    and s.tail > greatest(l.acked, s.earliest) and s.state = 'active' and not s.expired
);
