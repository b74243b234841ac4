"""From a crossing to a rung of the ladder, within leases and guards."""
