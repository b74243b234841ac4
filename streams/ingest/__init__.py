"""Raw records in, frames out: sources that never lose a record, and the packing of what they bring."""
