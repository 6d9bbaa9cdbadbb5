-- The one installation this database belongs to (id is always 1).
create table installation (
    id bigint primary key,
    lineage text not null,
    epoch bigint not null,
    revision bigint not null,
    topology text not null,
    made_at bigint not null
);
