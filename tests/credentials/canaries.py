"""Kubeconfigs and environments with a canary in each place for a credential, and with all kinds of mistakes."""

import base64
import json
import string
from dataclasses import dataclass, field
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.credentials.echo import KINDS

LENGTH = 24  # characters of a canary
PART = 8  # characters in a row that no output may have
SHAPES = (
    "{}",
    "{}\n",
    " {}",
    "{}\x1b[31m",
    "{}\r\nX: {}",
    "é{}",
    '"{}',
    "{}'\\n",
    "{}%2F{}",
    "a/{}#b",
    "{{[{}",
    "{}@{}",
)
VERSION = "client.authentication.k8s.io/v1"
OUTPUT = """printf '{"kind": "ExecCredential", "apiVersion": "%s", PART}' "$SECRET" """.replace("%s", VERSION)
PLUGINS = (
    OUTPUT.replace("PART", '"status": {"token": "%s"}'),
    OUTPUT.replace("PART", '"status": {"clientKeyData": "%s"}'),
    OUTPUT.replace("PART", '"other": "%s"'),
    'echo "$SECRET"',
    'echo "login failed for $SECRET" >&2; exit 3',
    'printf "Password $SECRET:" >&2; exit 1',
    'echo "bad $2" >&2; exit 1',
)


@dataclass
class Example:
    """One run of a program. `secrets` are the canaries in it."""

    program: str
    style: str
    answer: tuple[int, str]
    secrets: list[str] = field(default_factory=list)
    user: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    spoil: str = ""  # appended to the kubeconfig's text


class Draw:
    """Draws values for an Example."""

    def __init__(self, draw: Any, example: Example) -> None:
        self._draw, self.example = draw, example

    def canary(self, *shapes: str) -> str:
        letters = self._draw(st.text(string.ascii_letters + string.digits, min_size=LENGTH, max_size=LENGTH))
        self.example.secrets.append(letters)
        return str(self._draw(st.sampled_from(shapes or SHAPES))).replace("{}", letters).replace("{{", "{")

    def one_of(self, *values: Any) -> Any:
        return self._draw(st.sampled_from(values))


@st.composite
def examples(draw: Any) -> Example:
    """Any example: a user, and with some chance another secret elsewhere."""
    program = draw(st.sampled_from(["registrar", "janitor"]))
    answer = (draw(st.sampled_from([200, 302, 401, 403, 404, 409, 422, 429, 500])), draw(st.sampled_from(KINDS)))
    example = Example(program, draw(st.sampled_from(["text", "json"])), answer)
    given = Draw(draw, example)
    draw(st.sampled_from(USERS))(given)
    for elsewhere in draw(st.lists(st.sampled_from(ELSEWHERE), max_size=2, unique=True)):
        elsewhere(given)
    return example


# ---- users


def _token(given: Draw) -> None:
    given.example.user["token"] = given.one_of(given.canary("{}"), given.canary(), [given.canary()])


def _token_file(given: Draw) -> None:
    given.example.files["token"] = given.canary()
    given.example.user["tokenFile"] = "token"


def _password(given: Draw) -> None:
    given.example.user |= {"username": "me", "password": given.one_of(given.canary(), {"x": given.canary()})}


def _key(given: Draw) -> None:
    """A private key that is none, in a file or inline, encoded or not."""
    key = f"-----BEGIN PRIVATE KEY-----\n{given.canary()}\n-----END PRIVATE KEY-----\n"
    encoded = base64.b64encode(key.encode()).decode()
    certificate = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").decode()
    given.example.files["key"] = key
    pair = given.one_of({"client-key": "key"}, {"client-key-data": encoded}, {"client-key-data": key})
    given.example.user |= {"client-certificate-data": certificate, **pair}


def _plugin(given: Draw) -> None:
    script = given.one_of(*PLUGINS)
    secret = {"name": "SECRET", "value": given.canary("{}", "{}\n", "{} {}", '{}"')}
    given.example.user["exec"] = {
        "apiVersion": VERSION,
        "interactiveMode": "Never",
        "command": "sh",
        "args": ["-c", script, "sh", "--client-secret", given.canary("{}")],
        "env": given.one_of([secret], [secret, {"name": "A"}]),
    }


def _provider(given: Draw) -> None:
    names = ("client-secret", "id-token", "refresh-token", "access-token")
    config = {name: given.canary() for name in names} | {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "x"}
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4e9}).encode()).decode().rstrip("=")
    config["id-token"] = given.one_of(config["id-token"], f"e30.{claims}.{given.canary('{}')}")
    given.example.user["auth-provider"] = {"name": given.one_of("oidc", "azure", "gcp"), "config": config}


USERS = (_token, _token_file, _password, _key, _plugin, _provider)


# ---- elsewhere


def _proxy_url(given: Draw) -> None:
    given.example.cluster["proxy-url"] = given.one_of("http", "https", "socks5") + f"://u:{given.canary()}@127.0.0.1:1"


def _proxy_variable(given: Draw) -> None:
    name = given.one_of("HTTPS_PROXY", "https_proxy")
    value = given.one_of("http://", "") + f"u:{given.canary()}@127.0.0.1:1"
    given.example.env |= {name: value.replace("\0", "")}
    given.example.cluster["server"] = "https://0.0.0.0:{port}"


def _server(given: Draw) -> None:
    given.example.cluster["server"] = f"https://u:{given.canary()}@127.0.0.1:{{port}}"


def _pushgateway(given: Draw) -> None:
    """Given to the registrar too, which does not know the flag."""
    url = f"http://u:{given.canary()}@127.0.0.1:1"
    if given.one_of(True, False):
        given.example.env["JANITOR_PUSHGATEWAY"] = url
    else:
        given.example.flags += ["--pushgateway", url]


def _stray(given: Draw) -> None:
    given.example.flags.append(given.canary("{}", "http://u:{}@push", "--token={}", "x={}", "--{}"))


def _unknown_field(given: Draw) -> None:
    given.example.user[given.one_of("password ", "client-secret", "pass word")] = given.canary()


def _not_yaml(given: Draw) -> None:
    given.example.spoil = given.one_of("\n- {0}", "\n{0}: [", "\n&{0} *{0}", '\n"{0}', "\n!{0} x: y").format(
        given.canary("{}")
    )


ELSEWHERE = (_proxy_url, _proxy_variable, _server, _pushgateway, _stray, _unknown_field, _not_yaml)


def kubeconfig(example: Example, port: int, ca: bytes) -> str:
    """The text of the kubeconfig."""
    cluster = {
        "server": "https://127.0.0.1:{port}",
        "certificate-authority-data": base64.b64encode(ca).decode(),
        **example.cluster,
    }
    cluster["server"] = cluster["server"].replace("{port}", str(port))
    content = {
        "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": example.user}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "n"}}],
        "current-context": "x",
    }
    return yaml.safe_dump(content, allow_unicode=True) + example.spoil


def leaked(secrets: list[str], text: str) -> list[str]:
    """The parts of the canaries that are in `text`."""
    parts = {each[at : at + PART] for each in secrets for at in range(len(each) - PART + 1)}
    return sorted(part for part in parts if part in text)
