-- See the function of the same name.
create or replace trigger note_new_streams after insert on penstock.streams
referencing new table as created
for each statement execute function penstock.note_new_streams();
