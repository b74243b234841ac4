"""The commands the live path consists of, said once: the live tests run them, and docker-compose.yml must."""

SETTINGS = "/etc/outpace/settings.toml"
TOPICS, INGEST, WORKER, RESPOND = "topics", "ingest", "worker", "respond"
SERVICES = {"topics": TOPICS, "ingest": INGEST, "worker-1": WORKER, "worker-2": WORKER, "responder": RESPOND}
"""Which command each service of docker-compose.yml runs."""


def command(name: str, settings: str = SETTINGS) -> list[str]:
    """The command line, with the program in front."""
    return ["outpace", name, "--settings", settings]
