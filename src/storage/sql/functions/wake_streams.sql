-- What a wake is about: up to 1,000 links that have work, then up to 100 that have none. Work
-- beyond that is left to the next wake. A cursor before the earliest byte that is left counts as
-- there; `dropped` is where it was, null for every other one.
create or replace function penstock.wake_streams(subscription bigint)
returns table (
  path text, explicit boolean, acked bigint, acked_generation bigint, tail bigint,
  tail_generation bigint, dropped bigint, dropped_generation bigint
)
language sql stable
begin atomic
  select w.path, w.explicit, greatest(w.acked, w.earliest),
    penstock.generation_at(w.stream_id, greatest(w.acked, w.earliest)),
    w.tail, penstock.generation_at(w.stream_id, w.tail),
    case when w.acked < w.earliest then w.acked end,
    case when w.acked < w.earliest then penstock.generation_at(w.stream_id, w.acked) end
  from (
    (
      select l.path, l.explicit, l.stream_id, l.acked, s.earliest, s.tail
      from penstock.subscription_links l
      join penstock.stream_states s on s.id = l.stream_id
      where l.subscription_id = subscription and l.pending
        and s.tail > greatest(l.acked, s.earliest) and s.state = 'active' and not s.expired
      order by l.path limit 1000
    ) union all (
      -- Of these all that was left to do has been dropped since they were marked.
      select l.path, l.explicit, l.stream_id, l.acked, s.earliest, s.tail
      from (
        select * from penstock.subscription_links p
        where p.subscription_id = subscription and p.pending
        order by p.path limit 1000
      ) l
      join penstock.stream_states s on s.id = l.stream_id
      where s.tail <= greatest(l.acked, s.earliest) and s.state = 'active' and not s.expired
      order by l.path limit 100
    ) union all (
      select l.path, l.explicit, l.stream_id, l.acked, s.earliest, coalesce(s.tail, l.acked)
      from penstock.subscription_links l
      left join penstock.stream_states s
        on s.id = l.stream_id and s.state = 'active' and not s.expired
      where l.subscription_id = subscription and not l.pending
        and (l.explicit or s.id is not null)
      order by l.path limit 100
    )
  ) w;
end;
