//! The field's nouns: instruments, prices, orders, books, reports.
