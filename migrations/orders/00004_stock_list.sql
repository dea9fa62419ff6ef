-- Operators list the stock. A SKU is tracked once, so the index hardly ever changes.
create index concurrently streams_stock_newest on streams (created_at desc, id desc) where kind = 'stock';
