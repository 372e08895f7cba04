-- Notes streams of which bytes may have to be deleted, in ascending order. It locks the rows of
-- those that are noted already, so that a deletion in progress ends before, or begins after this
-- transaction, and then sees what it has changed.
create or replace function penstock.note_trims(ids bigint[]) returns void
language sql
begin atomic
  insert into penstock.trims (stream_id)
  select distinct i.id from unnest(ids) as i(id) order by i.id
  on conflict (stream_id) do update set stream_id = excluded.stream_id;
end;
