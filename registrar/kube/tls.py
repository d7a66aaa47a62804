"""Makes the TLS context for the API server: the CAs that kubectl would trust, and the client certificate."""

import os
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from registrar.kube.access import Access
from registrar.kube.entry import unusable

_CERTIFICATES = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def context(
    access: Access,
    certificate: bytes | None,
    key: bytes | None,
    environ: Mapping[str, str],
    *,
    relaxed: bool,
    where: str,
) -> ssl.SSLContext:
    """A context for `access` that shows `certificate` (PEM). `where` names the credentials in errors.

    `relaxed` verifies certificates without Python 3.13's strict X.509 rules
    (https://github.com/kubernetes-client/python/issues/2394).
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    elif access.ca is None:
        _trust_system(made, environ.get("SSL_CERT_DIR", ""))
    else:
        _trust(made, access.ca, where)
    # Go trusts each certificate in a CA file, whether it is self-signed or not, and never looks at a common name.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:
        made.hostname_checks_common_name = False
    if sys.version_info >= (3, 13) and not relaxed:
        made.verify_flags |= ssl.VERIFY_X509_STRICT
    if certificate and key and not _show(made, certificate, key):
        reason = "client-certificate and client-key are not a certificate and its unencrypted key in PEM format"
        raise unusable(where, reason)
    return made


def is_pair(certificate: bytes, key: bytes) -> bool:
    """Whether these are a certificate and its unencrypted key in PEM format."""
    return _show(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)


def _trust_system(made: ssl.SSLContext, folders: str) -> None:
    """Trust the system's CAs, or those of SSL_CERT_FILE, and those in `folders`.

    OpenSSL knows these two variables, but reads from a folder only files that are called by their hashes.
    """
    made.load_default_certs()
    for folder in filter(os.path.isdir, folders.split(os.pathsep)):
        for file in os.listdir(folder):
            with suppress(OSError):  # no certificate, or not readable
                made.load_verify_locations(os.path.join(folder, file))


def _trust(made: ssl.SSLContext, ca: bytes, where: str) -> None:
    found = b"\n".join(_CERTIFICATES.findall(ca)).decode("ascii", errors="replace")
    try:
        made.load_verify_locations(cadata=found or "-")
    except (ssl.SSLError, ValueError):
        raise unusable(where, "certificate-authority has no valid certificate in PEM format") from None


def _show(made: ssl.SSLContext, certificate: bytes, key: bytes) -> bool:
    """Make `made` show this client certificate; False if it is not one."""
    try:
        with _file(certificate) as chain, _file(key) as private:
            made.load_cert_chain(chain, private, password="")
    except (ssl.SSLError, ValueError):
        return False
    return True


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path from which OpenSSL reads `content`. On Linux it is memory: nothing stays behind, even after SIGKILL."""
    if not hasattr(os, "memfd_create"):
        from tempfile import NamedTemporaryFile

        with NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    number = os.memfd_create("nodeproxy")
    try:
        os.write(number, content)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
