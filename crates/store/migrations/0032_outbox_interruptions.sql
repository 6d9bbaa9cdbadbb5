-- How many leases of a message ended without a report: so often it may have been handed over without
-- being written down.
alter table outbox add column interruptions bigint not null default 0;
