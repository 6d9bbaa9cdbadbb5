-- Sessions that were ended before their time, in the order in which that happened. A row may go when
-- no token of the session can be good any more; numbers are never given twice.
create table revocations (
    number bigint primary key,
    session_id text not null unique,
    at bigint not null,
    forget_at bigint not null
);
create index revocations_forget_at on revocations (forget_at);
create table revocation_position (
    only_row bigint primary key check (only_row = 1),
    last bigint not null
);
insert into revocation_position (only_row, last) values (1, 0);
