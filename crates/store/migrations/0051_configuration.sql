-- Published versions, never changed, and the one draft (id is always 1).
create table versions (
    number bigint primary key,
    configuration text not null,
    author text not null,
    comment text not null,
    rollback_of bigint,
    published_at bigint not null
);
create table draft (
    id bigint primary key,
    based_on bigint not null,
    configuration text not null,
    author text not null,
    changed_at bigint not null
);
