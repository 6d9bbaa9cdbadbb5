-- Where browsers and API clients reach an instance: what its bootstrap file says.
create table listeners (
    instance text primary key,
    listeners text not null
);
