-- When a name was last right from an address: what strangers do there, or to that name elsewhere,
-- does not lock it out. Null for all others.
alter table attempts add column proved_at bigint;
