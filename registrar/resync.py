"""Stays after the first registration and repeats it, so that a Service deleted or edited by hand comes back.

As a native sidecar (an initContainer with `restartPolicy: Always`, Kubernetes 1.29+) it costs no watch: three requests
an interval. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

import logging
import random
import time
from collections.abc import Callable

from registrar.cli.failures import Failure
from registrar.cli.probes import Health
from registrar.kube.transport import Kube
from registrar.ownership import Object
from registrar.register import OwnPodGone, register
from registrar.settings import Settings

_JITTER = 0.2  # of the interval: a roll-out starts all nodes' registrars at once, and they must not stay in step

log = logging.getLogger(__name__)


def stay(
    kube: Kube, settings: Settings, registered: Object, health: Health, wait: Callable[[float], object] = time.sleep
) -> None:
    """Repeat the registration, `registered` being the Service of the last one, until the process is asked to end.

    An outage of the API server must not cut traffic, and a sidecar that exits makes its pod NotReady: so a failure is
    logged and tried again an interval later. Raises OwnPodGone alone, since nothing here can mend that.
    """
    every = settings.resync or 0.0
    while True:
        wait(every * random.uniform(1 - _JITTER, 1))  # noqa: S311 - spreads load, guards no secret
        kube.renew()
        try:
            _pod, service = register(kube, settings, log_level=logging.DEBUG)
        except OwnPodGone:
            raise
        except Failure as failure:
            log.error("%s; tried again within %gs", failure, every)
            health.finished(done=False)
            continue
        if _version(service) != _version(registered):
            log.warning("Service %s was changed or gone; now it is as it should be", service["metadata"]["name"])
        registered = service
        health.finished(done=True)


def _version(service: Object) -> tuple[str, str]:
    return service["metadata"]["uid"], service["metadata"]["resourceVersion"]
