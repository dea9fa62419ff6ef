-- The role and the database of the program. The role owns its database, and is no superuser.
-- compose.yaml runs it once; elsewhere: APP_PASSWORD=… psql -f compose.sql
\getenv password APP_PASSWORD
create role app login password :'password';
create database shop owner app;
