"""SQL and statistics over what faceline found: its records, and the JSON that it leaves in the buckets."""
