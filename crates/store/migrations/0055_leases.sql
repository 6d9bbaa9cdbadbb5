-- Who does what only one may do. `term` counts the changes of hands.
create table leases (
    name text primary key,
    holder text not null,
    term bigint not null,
    expires_at bigint not null
);
