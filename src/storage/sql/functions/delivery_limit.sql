-- How long a delivery may take before another node takes it over: a webhook has its lease, and a
-- wake event ten seconds to reach its wake stream.
create or replace function penstock.delivery_limit(type text, lease_ttl_ms bigint)
returns interval
language sql immutable parallel safe
return make_interval(secs => case type when 'webhook' then lease_ttl_ms else 10000 end / 1000.0);
