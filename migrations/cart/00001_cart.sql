-- The cart module stores carts and products as streams. These indexes are for its lists.

-- The products, newest first. A search scans this index in the same order, without carts in between.
create index streams_products on streams (created_at desc, id desc) where kind = 'product';

-- A customer lists their carts, newest first.
create index streams_carts on streams (customer, created_at desc, id desc) where kind = 'cart';
