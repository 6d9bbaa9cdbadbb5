-- The certificates that browsers see, with their keys sealed: from the local CA or brought along.
create table host_certificates (
    name text primary key,
    hosts text not null,
    chain text not null,
    sealed blob not null,
    not_after bigint not null,
    made_at bigint not null
);
