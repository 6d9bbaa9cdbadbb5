-- The private keys of each kind of service, sealed together, and the certificate authorities.
create table key_bundles (
    service text primary key,
    generation bigint not null,
    sealed blob not null,
    changed_at bigint not null
);
create table authorities (
    id text primary key,
    role text not null,
    state text not null,
    certificate text not null,
    sealed blob not null,
    made_at bigint not null
);
