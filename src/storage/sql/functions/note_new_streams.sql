-- Notes new streams in the transaction that creates them, so that whichever node next issues wakes
-- matches them with the patterns, even if the creating node has ended meanwhile.
create or replace function penstock.note_new_streams() returns trigger
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  insert into penstock.new_streams (stream_id) select c.id from created c;
  return null;
end
$$;
