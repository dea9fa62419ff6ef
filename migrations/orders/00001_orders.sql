-- The order module's own: lists over its streams, order numbers, contacts, sales per day.

-- No index here mentions the status: so a confirmation or a fulfilment changes no indexed column and stays an update in
-- place (HOT). Lists filter the status of the rows that the index brings, newest first. A stream without a customer is
-- the tombstone of an order that never was, and in no list.

-- "My orders, newest first", and "the orders of those customers" on the way from an e-mail address to its orders.
create index streams_order_customer on streams (customer, created_at desc, id desc)
    where kind = 'order' and customer is not null;
-- "All orders, newest first."
create index streams_order_newest on streams (created_at desc, id desc)
    where kind = 'order' and customer is not null;

-- Order numbers, without their check digit. Processes draw them in blocks, so gaps are normal.
create sequence numbers start 100000;

-- Personal data of orders. Events and states carry the id only, so that a row can be erased.
create table contacts (
    id               uuid primary key,
    customer         text not null,
    email            text not null,
    shipping_address json,
    created_at       timestamptz not null
);

-- "Whose address is this?": operators search orders by e-mail, whatever its letter case.
create index contacts_email on contacts (lower(email));
-- "Everything we keep of this customer": to erase it.
create index contacts_customer on contacts (customer);

-- What was confirmed on a day (UTC), by currency. Follows the log; can be rebuilt from it.
create table sales_per_day (
    day      date not null,
    currency text not null,
    orders   bigint not null,
    total    bigint not null, -- minor units
    primary key (day, currency)
);
