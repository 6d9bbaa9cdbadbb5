-- The certificates that peers accept, what each instance said last, and what it was asked to do.
create table admissions (
    certificate text primary key,
    instance text not null,
    service text not null,
    not_after bigint not null,
    admitted_at bigint not null
);
create index admissions_instance on admissions (instance);
create table statuses (
    instance text primary key,
    status text not null,
    at bigint not null
);
create table wishes (
    instance text primary key,
    wish text not null,
    number bigint not null,
    at bigint not null
);
