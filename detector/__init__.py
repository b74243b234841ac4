"""The identity domain: events, credentials, lineage, evidence, decisions. Pure: same events, same order, same decisions."""
