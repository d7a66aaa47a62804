"""What a request without an answer means: it may pass, a certificate is bad, or a proxy refuses. Pure."""

import re

from registrar.cli.failures import Failure
from registrar.kube.answers import Transient, Unfinished

_STRICT_X509 = ("Missing ", "Basic Constraints ", "CA cert does not include", "Path length", "Subject ", "Empty ")
_POOL = re.compile(r"^\w+\(host=[^)]*\): ")  # urllib3 puts the name of its own object first
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: 40[137]")


def failure(
    action: str,
    server: str,
    error: Exception,
    *,
    unfinished: bool = False,
    strict_ca: str = "renew the CA, or allow it with --tls-relaxed",
    other_ca: str = "check the CA in use",
) -> Failure:
    """The failure behind urllib3's `error`. It is Transient, or Unfinished, unless a certificate does not verify.

    `strict_ca` and `other_ca` are advice for a CA that is not strictly X.509, and for any other bad certificate.
    """
    inner = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    message = getattr(inner, "verify_message", "")
    if not message:
        text = _POOL.sub("", " ".join(str(inner).split())) or type(inner).__name__
        if _REFUSED_BY_PROXY.search(text):
            return Failure(action, f"no answer from {server}: {text}", "check user and password in the proxy's URL")
        path = "the proxy, or add the server to NO_PROXY" if " the proxy " in server else "the network path to it"
        return (Unfinished if unfinished else Transient)(
            action, f"no answer from {server}: {text}", f"check the server and {path}"
        )
    if message.startswith(_STRICT_X509):
        reason = f"the CA of {server} is not strictly X.509, which Python 3.13+ requires: {message}"
        return Failure(action, reason, strict_ca)
    return Failure(action, f"the certificate of {server} does not verify: {message}", other_ca)
