-- The first certificate, of a bootstrap file, from which a certificate was renewed; nothing: it is itself one.
alter table admissions add column line text;
