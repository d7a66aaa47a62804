"""Repeats the registration, so that a Service that is deleted or edited by hand is restored.

As a native sidecar (an init container with `restartPolicy: Always`, Kubernetes 1.29+) it needs no watch: two or
three requests per interval. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

import logging
import random
import time
from collections.abc import Callable
from functools import partial

from registrar.cli import watchdog
from registrar.cli.failures import Failure
from registrar.cli.probes import Health
from registrar.kube.transport import Kube
from registrar.live import LiveService
from registrar.pod import OwnPodGone
from registrar.register import register
from registrar.settings import Settings

_JITTER = 0.2  # of the interval: a rollout starts the registrars of all nodes at once, and they must not stay in step

log = logging.getLogger(__name__)


def stay(
    kube: Kube, settings: Settings, live: LiveService, health: Health, wait: Callable[[float], object] = time.sleep
) -> None:
    """Repeat the registration, `live` being the Service of the last one, until the process is asked to end.

    A failure is logged and tried again an interval later: an outage of the API server must not cut traffic, and a
    sidecar that exits makes its pod NotReady. Only OwnPodGone is raised, because repeating cannot fix that.
    """
    every = settings.resync or 0.0
    while True:
        wait(every * random.uniform(1 - _JITTER, 1))  # noqa: S311 - spreads load, guards no secret
        kube = kube.renewed()
        try:
            again = partial(register, kube, settings, log_level=logging.DEBUG)
            found = watchdog.within(kube.remaining(), again).live
        except OwnPodGone:
            raise
        except Failure as failure:
            log.error("%s; next try within %gs", failure, every)  # noqa: TRY400 - a Failure needs no traceback
            health.finished(done=False)
            continue
        if (found.uid, found.resource_version) != (live.uid, live.resource_version):
            log.warning("Service %s was changed or deleted, it is restored", found.id)
        live = found
        health.finished(done=True)
