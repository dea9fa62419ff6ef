-- The cart module keeps carts and products, both as streams. These are its lists.

-- "The price book, newest first": a search walks it in this order too, and meets no cart on the way.
create index streams_products on streams (created_at desc, id desc) where kind = 'product';

-- "My carts, newest first."
create index streams_carts on streams (customer, created_at desc, id desc) where kind = 'cart';
