"""A PostgreSQL server in a LAN, at the printer's address, with a table that says in which city it is."""

from tests.e2e.client import Client
from tests.e2e.layout import PRINTER, Site

USER, NAME, PASSWORD, QUERY = "alice", "stock", "open-sesame", "SELECT city FROM office"
_START = """
set -e
cd /tmp
as_postgres() {{ setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }}
bin=$(echo /usr/lib/postgresql/*/bin)
as_postgres "$bin"/initdb --pgdata=/tmp/data --no-sync --auth-local=trust >/dev/null
as_postgres openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=office -keyout /tmp/data/server.key \
  -out /tmp/data/server.crt 2>/dev/null
echo 'host all all all scram-sha-256' >>/tmp/data/pg_hba.conf
as_postgres "$bin"/pg_ctl start --pgdata=/tmp/data --wait --log=/tmp/data/log \
  --options='-c ssl=on -c listen_addresses={address} -c unix_socket_directories=/tmp' >/dev/null
as_postgres psql --host=/tmp --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 <<'END'
CREATE ROLE {user} LOGIN PASSWORD '{password}';
CREATE DATABASE {name};
\\connect {name}
CREATE TABLE office AS SELECT '{city}' AS city;
GRANT SELECT ON office TO {user};
SELECT rolpassword FROM pg_authid WHERE rolname = '{user}';
END
"""


def psql(host: str, query: str = QUERY) -> str:
    """A shell command that prints a query's result, and refuses a connection without TLS."""
    url = f"postgresql://{USER}:{PASSWORD}@{host}/{NAME}?connect_timeout=10&sslmode=require"
    return f"psql --no-align --tuples-only --command=\"{query}\" '{url}'"


def start(client: Client, site: Site, password: str) -> str:
    """Start the server with the programs of a client's pod, in the site's LAN. The sandbox ends it.

    `password` is plain text or what PostgreSQL keeps of it; returns the latter.
    """
    words = {"address": PRINTER, "user": USER, "name": NAME, "city": site.city, "password": password}
    return client.run(_START.format(**words), network=site.lan)
