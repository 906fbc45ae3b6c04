-- The ledger's role and database. The image runs this once, when the data volume is new.
\getenv password LEDGER_PASSWORD
CREATE ROLE carbon LOGIN PASSWORD :'password';
CREATE DATABASE carbon OWNER carbon;
