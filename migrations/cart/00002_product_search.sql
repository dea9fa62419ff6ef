-- The text of each product that searches look into. The program fills in the products that were stored before.
create table product_search (
    id         uuid primary key,
    created_at timestamptz not null, -- of the product
    search     text not null,        -- SKU and name in lower case, as in the product's state
    grams      int4[] not null       -- hashes of all its parts of one to three characters
);

-- A search for frequent text looks through the newest products.
create index product_search_newest on product_search (created_at desc, id desc);

-- A search for rare text finds the products with its parts. Without a pending list, so that no writer has to merge one.
create index product_search_grams on product_search using gin (grams) with (fastupdate = off);
