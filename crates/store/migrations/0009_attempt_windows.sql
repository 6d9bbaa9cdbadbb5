-- When the window began before its last failure allowed moved it, to which it goes back when that
-- failure is taken back. Null where it was not moved.
alter table attempts add column moved_from bigint;
