-- The latest signed snapshot of each service. An access point's carries its listeners' keys, so
-- its bytes are sealed.
create table snapshots (
    audience text primary key,
    revision bigint not null,
    version bigint not null,
    sealed blob not null,
    made_at bigint not null
);
