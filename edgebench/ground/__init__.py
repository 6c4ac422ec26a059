"""What every room stands on: errors, units, registries, records, the store, folders and atomic writes."""
