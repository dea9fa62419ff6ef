-- The tables of the order module: lists over its streams, order numbers, contacts, sales per day.

-- No index here contains the status: a confirmation or a fulfilment then changes no indexed column and stays an update in
-- place (HOT). Lists filter the rows of the index by status, newest first. A stream without a customer is the tombstone of
-- an order that was never placed. It is in no list.

-- A customer lists their orders, newest first. The search by e-mail address reads the orders of the customers it found.
create index streams_order_customer on streams (customer, created_at desc, id desc)
    where kind = 'order' and customer is not null;
-- Operators list all orders, newest first.
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

-- Operators search orders by e-mail address, in any letter case.
create index contacts_email on contacts (lower(email));
-- Erasure finds the contacts of a customer.
create index contacts_customer on contacts (customer);

-- Confirmed orders per day (UTC) and currency. A projection of the log.
create table sales_per_day (
    day      date not null,
    currency text not null,
    orders   bigint not null,
    total    bigint not null, -- minor units
    primary key (day, currency)
);
