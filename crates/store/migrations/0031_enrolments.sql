-- Soft tokens that were handed out and are not bound yet. `sealed` is the seed, readable by the
-- distribution service only.
create table enrolments (
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    sealed blob not null,
    tries_left bigint not null,
    expires_at bigint not null
);
create index enrolments_user on enrolments (user_id);
create index enrolments_expires_at on enrolments (expires_at);
