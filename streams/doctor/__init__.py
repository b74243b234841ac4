"""``outpace doctor``: tries what ingest and worker will need, and says of each thing that does not work what to do."""
