"""The destination (nginx) and the proxy to compare with (Squid), from packages of Debian that are only unpacked.

Installing them would start services. They run by chroot, as the user of the chart's pods.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from images import debian
from images.progress import Job
from tests.harness.processes import Child, wait_until
from tests.harness.tinyproxy import NOBODY, listens

PORT = 3128  # of Squid
BODY = 1000  # bytes of each of nginx's answers, as of a small page of status
SQUID = f"""\
http_port {PORT}
http_access allow all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
pinger_enable off
coredump_dir none
visible_hostname squid
shutdown_lifetime 0 seconds
"""
NGINX = """\
daemon off;
master_process off;
pid /tmp/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server {{
    listen {address} backlog=4096;
    location / {{ return 200 "{body}"; }}
  }}
}}
"""


def unpack(root: Path, job: Job) -> None:
    """Unpack both, with the packages that they depend on."""
    debian.require_tools(["mmdebstrap"], job, "no other way")
    command = ["mmdebstrap", "--variant=extract", "--include=squid,nginx", "--format=directory"]
    job.run("unpacking Squid and nginx", [*command, debian.SUITE, str(root), debian.mirror()], root.parent)
    root.chmod(0o755)
    (root / "dev" / "shm").chmod(0o1777)  # Squid's memory that processes could share


@contextmanager
def squid(root: Path) -> Iterator[Child]:
    """Squid as a proxy that keeps nothing: the rest of its configuration is its default."""
    (root / "squid.conf").write_text(SQUID)
    with _running(root, ["/usr/sbin/squid", "-N", "-f", "/squid.conf"], PORT) as child:
        yield child


@contextmanager
def nginx(root: Path, address: str, port: int) -> Iterator[Child]:
    """nginx as a destination that has the same page at each path."""
    (root / "nginx.conf").write_text(NGINX.format(address=f"{address}:{port}", body="x" * BODY))
    with _running(root, ["/usr/sbin/nginx", "-e", "stderr", "-c", "/nginx.conf"], port, address) as child:
        yield child


@contextmanager
def _running(root: Path, command: Sequence[str], port: int, address: str = "127.0.0.1") -> Iterator[Child]:
    enter = ["/usr/sbin/chroot", f"--userspec={NOBODY}:{NOBODY}", str(root)]
    child = Child([*enter, *command], root / f"{Path(command[0]).name}.log", root)
    try:
        wait_until(lambda: child.ended() or listens(port, address), 30, command[0])
        assert not child.ended(), child.log_tail()
        yield child
    finally:
        child.stop()
