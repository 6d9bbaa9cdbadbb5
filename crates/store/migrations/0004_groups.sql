-- Groups, and who is in them. What access rules call group("...") is `name`.
create table groups (
    name text primary key,
    created_at bigint not null
);
create table members (
    group_name text not null references groups (name) on delete cascade,
    user_id text not null references users (id) on delete cascade,
    added_at bigint not null,
    primary key (group_name, user_id)
);
create index members_user on members (user_id);
