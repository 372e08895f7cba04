-- Compares every cursor of one subscription with its stream's tail, and marks the links that have
-- work. The caller holds the subscription's row lock.
create or replace function penstock.mark_pending(subscription bigint) returns void
language sql
begin atomic
  update penstock.subscription_links l set pending = true
  from penstock.stream_states s
  where l.subscription_id = subscription and s.id = l.stream_id
    and not l.pending and s.tail > greatest(l.acked, s.earliest) and s.state = 'active';
end;
