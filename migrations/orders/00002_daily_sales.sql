-- Sales per day in generations, so that they can be rebuilt beside the live ones.

-- A table and a subscription of its own, not a wider key in sales_per_day: processes of the version before write that one
-- with "on conflict (day, currency)", which needs a unique index on just these two, and move its subscription. This
-- way both versions, side by side, have sales that are right. A later migration can drop sales_per_day.
create table daily_sales (
    generation int not null,
    day        date not null, -- UTC
    currency   text not null,
    orders     bigint not null,
    total      bigint not null, -- minor units
    primary key (generation, day, currency)
);

-- Rows and position as they are at one moment: one statement sees one snapshot.
with position as (
    insert into subscriptions (name, position) select 'daily_sales', coalesce(max(position), 0) from subscriptions where name = 'sales_per_day'
)
insert into daily_sales (generation, day, currency, orders, total) select 1, day, currency, orders, total from sales_per_day;
