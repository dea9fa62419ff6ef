-- Sales per day in generations, so that they can be rebuilt beside the live ones.
--
-- This is a new table with its own subscription, not a wider key in sales_per_day. Processes of the version before write
-- that table with "on conflict (day, currency)", which needs a unique index on exactly these two, and move its
-- subscription. So both versions have correct sales side by side. A later migration can drop sales_per_day.
create table daily_sales (
    generation int not null,
    day        date not null, -- UTC
    currency   text not null,
    orders     bigint not null,
    total      bigint not null, -- minor units
    primary key (generation, day, currency)
);

-- One statement has one snapshot, so the rows match the position.
with position as (
    insert into subscriptions (name, position) select 'daily_sales', coalesce(max(position), 0) from subscriptions where name = 'sales_per_day'
)
insert into daily_sales (generation, day, currency, orders, total) select 1, day, currency, orders, total from sales_per_day;
