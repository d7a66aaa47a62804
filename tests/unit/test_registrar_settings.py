"""The registrar's settings: precedence, accepted values, and one line for a bad one."""

import pytest

from registrar.cli.failures import SettingsError
from registrar.settings import COMMAND, Port, parse

ENV = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_NAMESPACE": "project-nodeproxy", "POD_UID": "0-1-2"}


def test_defaults_follow_the_contract() -> None:
    settings = parse([], ENV)

    assert settings.service_prefix == "nodeproxy-access-"
    assert settings.port == (Port("http-proxy", 8888, 8888, "TCP"),)
    assert settings.selector == {"app": "nodeproxy-agent"}
    assert settings.node_label == "target-node"
    assert (settings.timeout, settings.take_over, settings.dry_run) == (120, False, False)


def test_environment_names_are_the_prefix_and_the_flag() -> None:
    downward = {"node_name": "NODE_NAME", "pod_name": "POD_NAME", "pod_uid": "POD_UID", "namespace": "POD_NAMESPACE"}
    for option in COMMAND.options:
        assert option.env == downward.get(option.name, "REGISTRAR_" + option.name.upper())


def test_a_flag_wins_over_the_environment() -> None:
    assert parse(["--timeout", "5s"], {**ENV, "REGISTRAR_TIMEOUT": "9s"}).timeout == 5
    assert parse([], {**ENV, "REGISTRAR_TIMEOUT": "9s"}).timeout == 9


def test_an_empty_variable_counts_as_unset() -> None:
    assert parse([], {**ENV, "REGISTRAR_TIMEOUT": ""}).timeout == 120


@pytest.mark.parametrize(
    "flag",
    [
        "--port=http=0",
        "--port=http=70000",
        "--port=http=abc",
        "--port=8888",
        "--port=Http=1",
        "--port=http=80/ICMP",
        "--port=http=80:0",
        "--port=http=80:99999",
        "--port=http=80:-",
        "--port=" + "x" * 64 + "=80",
        "--port=tcp://10.0.0.1:80",
        "--port=a=1,a=2",
        "--port=a=1,b=1",
        "--service-prefix=Upper-",
        "--service-prefix=0-",
        "--service-prefix=-",
        "--service-prefix=" + "p" * 41,
        "--selector=app",
        "--selector=app=",
        "--selector=-=x",
        "--selector=a=b,a=c",
        "--node-label=a b",
        "--node-label=app",
        "--node-label=managed-by",
        "--copy-node-label=a b",
        "--copy-node-label=a,",
        "--copy-node-label=app",
        "--copy-node-label=target-node",
        "--node-name=a_b",
        "--node-name=" + "n" * 254,
        "--pod-name=../x",
        "--pod-uid=a/b",
        "--namespace=a.b",
        "--namespace=" + "n" * 64,
        "--timeout=0s",
        "--timeout=5",
        "--timeout=-1s",
        "--timeout=1d",
        "--log-level=loud",
        "--log-format=xml",
    ],
)
def test_a_bad_value_is_named(flag: str) -> None:
    with pytest.raises(SettingsError) as told:
        parse([flag], ENV)

    line = str(told.value)
    assert flag.partition("=")[0] in line
    assert "\n" not in line


def test_labels_of_the_node_are_copied_by_key() -> None:
    given = parse(["--copy-node-label", "topology.kubernetes.io/zone", "--copy-node-label=rack,room"], ENV)
    assert given.copy_node_label == ("topology.kubernetes.io/zone", "rack", "room")


def test_labels_of_the_node_are_not_copied_if_a_policy_labels_the_pod() -> None:
    with pytest.raises(
        SettingsError, match=r"bad setting --copy-node-label .*: with --pod-labels the registrar sets no"
    ):
        parse(["--copy-node-label=rack", "--pod-labels=/etc/podinfo/labels"], ENV)


def test_a_bad_variable_is_named_by_its_own_name() -> None:
    with pytest.raises(SettingsError, match=r"REGISTRAR_PORT.*70000 is not a port from 1 to 65535"):
        parse([], {**ENV, "REGISTRAR_PORT": "http=70000"})


def test_a_service_link_variable_of_kubelet_gets_its_own_advice() -> None:
    with pytest.raises(SettingsError, match="enableServiceLinks: false"):
        parse([], {**ENV, "REGISTRAR_PORT": "tcp://198.19.0.7:80"})


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--node-label=app"], "bad setting --node-label (REGISTRAR_NODE_LABEL): 'app' has another meaning"),
        (["--dry-run=yes"], "bad setting --dry-run: it takes no value; see python -m registrar --help"),
        (["--resync=1s", "--dry-run"], "bad setting --resync: a dry run cannot be repeated"),
        (["--health-port=80"], "bad setting --health-port: there is nothing to probe without --resync"),
        (
            ["--port=8888"],
            "bad setting --port: '8888': not of the form NAME=PORT[:TARGET][/PROTOCOL], such as http-proxy=8888",
        ),
        (
            ["--port=a=1:" + "x" * 16],
            "bad setting --port: 'a=1:xxxxxxxxxxxxxxxx': 'xxxxxxxxxxxxxxxx' is neither a number nor a container port's "
            "name of at most 15 characters",
        ),
        (["--port=a=1,a=2"], "bad setting --port: 'a=1,a=2': the same name, or the same port and protocol, twice"),
        (
            ["--port=tcp://10.0.0.1:80"],
            "bad setting --port: 'tcp://10.0.0.1:80': kubelet's link to a Service called registrar: set "
            "enableServiceLinks: false in the pod",
        ),
    ],
)
def test_a_bad_setting_is_one_line_with_the_reason(argv: list[str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(argv, ENV)
    assert str(caught.value) == line


def test_longest_names_are_accepted() -> None:
    name, target = "n" * 63, "x" * 15
    assert parse([f"--port={name}=1:{target}"], ENV).port == (Port(name, 1, target, "TCP"),)
    assert parse(["--service-prefix=" + "p" * 40], ENV).service_prefix == "p" * 40


def test_resync_and_its_probes_go_together() -> None:
    settings = parse(["--resync=10m", "--health-port=8081"], ENV)
    assert (settings.resync, settings.health_port, settings.dry_run) == (600, 8081, False)


def test_one_variable_may_have_several_ports() -> None:
    assert [each.name for each in parse([], {**ENV, "REGISTRAR_PORT": "a=1, b=2"}).port] == ["a", "b"]


@pytest.mark.parametrize("argv", [["--no-such"], ["--time", "5s"], ["stray"], ["--port"]])
def test_an_unknown_or_abbreviated_flag_is_refused(argv: list[str]) -> None:
    with pytest.raises(SettingsError, match="--help") as told:
        parse(argv, ENV)
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("socks=1080", Port("socks", 1080, 1080, "TCP")),
        ("dns=53:5353/UDP", Port("dns", 53, 5353, "UDP")),
        ("http=80:web-port", Port("http", 80, "web-port", "TCP")),
    ],
)
def test_ports_name_number_target_and_protocol(text: str, port: Port) -> None:
    assert parse(["--port", text], ENV).port == (port,)
    assert str(port) == text


def test_repeatable_options_take_flags_and_commas_alike() -> None:
    one = parse(["--selector", "a=1", "--selector", "b=2"], ENV)
    other = parse([], {**ENV, "REGISTRAR_SELECTOR": "a=1, b=2"})
    assert one.selector == other.selector == {"a": "1", "b": "2"}


def test_the_node_name_is_lower_cased() -> None:
    assert parse([], {**ENV, "NODE_NAME": "Node-BJ-01.Example"}).node_name == "node-bj-01.example"
