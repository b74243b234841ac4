"""The metrics as they are declared: what documents, rules and dashboard are compared with."""

from typing import NamedTuple

from prometheus_client.metrics import Histogram, MetricWrapperBase

from streams.metrics import Metrics

PROCESS = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
)
"""Series of the client library's process collector, which has them on Linux only."""


class Declared(NamedTuple):
    """One declared metric under the name it is exposed by: counters with ``_total``, histograms without a suffix."""

    name: str
    kind: str
    labels: tuple[str, ...]
    buckets: tuple[str, ...]
    meaning: str

    def series(self) -> dict[str, tuple[str, ...]]:
        """Names one may ask for, with the labels each has."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        plain = {f"{self.name}_{end}": self.labels for end in ("sum", "count")}
        return plain | {f"{self.name}_bucket": (*self.labels, "le")}


def declared() -> list[Declared]:
    """Every metric of ``Metrics``."""
    found = []
    for metric in vars(Metrics()).values():
        if not isinstance(metric, MetricWrapperBase):
            continue
        (family,) = metric.describe()
        name = family.name + "_total" if family.type == "counter" else family.name
        bounds = [float(b) for b in metric._kwargs["buckets"]] if isinstance(metric, Histogram) else []
        buckets = (*(str(b) for b in bounds), "+Inf") if bounds else ()
        found.append(Declared(name, family.type, tuple(metric._labelnames), buckets, family.documentation))
    return found
