"""The janitor from the user's point of view: exit codes, output streams, flags and environment variables."""

import json
import subprocess
import sys

import pytest

from registrar import __version__, contract
from tests.harness import objects, terminal
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import ROOT, SERVICES, Cluster
from tests.harness.processes import bare_environment

GONE = contract.service_name("gone")


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """One node that exists and one that is gone, each with its Service, and a Service that records no node."""
    cluster.node("live")
    odd = objects.service("x", name="odd", selector=None)
    cluster.admin.create_many(SERVICES, [objects.service("live"), objects.service("gone"), odd])
    return cluster


def program(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program with exactly these environment variables."""
    command = [sys.executable, "-m", "janitor", *flags]
    whole = {**bare_environment(), "HOME": "/nonexistent", **env}
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=whole, timeout=60)


# ---- without a server


def test_version_and_help_need_no_server_and_exit_0() -> None:
    version, usage = program("--version"), program("--help")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"janitor {__version__}\n", "")
    assert (usage.returncode, usage.stderr) == (0, "")
    assert usage.stdout.startswith("usage: python -m janitor ")
    assert "--grace-period DURATION" in usage.stdout
    assert "Exit codes:\n  0 " in usage.stdout


@pytest.mark.parametrize(
    ("flags", "env", "named"),
    [
        (["--bogus"], {}, "--bogus"),
        (["--max-delete", "most"], {}, "--max-delete: 'most'"),
        ([], {"JANITOR_GRACE_PERIOD": "1 week"}, "JANITOR_GRACE_PERIOD: '1 week'"),
        (["--grace-period", "9999999999h"], {}, "--grace-period: '9999999999h': more than ten years"),
        (["--kubeconfig", "/nonexistent/config"], {}, "--kubeconfig"),
        ([], {}, "--kubeconfig"),  # no credentials for any server
        ([], {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "JANITOR_CONTEXT": "edge"}, "--context"),
    ],
)
def test_a_bad_setting_is_exit_2_and_one_line_that_names_it(flags: list[str], env: dict[str, str], named: str) -> None:
    run = program(*flags, **env)
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert " ERROR bad setting " in line
    assert named in line


def test_a_pod_without_a_token_is_told_to_mount_one() -> None:
    run = program(KUBERNETES_SERVICE_HOST="127.0.0.1", KUBERNETES_SERVICE_PORT="1")
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert "mount a projected token" in line


def test_a_namespace_that_is_given_nowhere_is_a_missing_setting(api: ApiServer) -> None:
    run = program(KUBECONFIG=str(api.token_kubeconfig("of nobody", namespace="")))
    assert (run.returncode, run.stdout) == (2, "")
    assert "bad setting --namespace: it is not set" in run.stderr


# ---- output and log


def test_the_table_is_on_standard_output_and_the_log_on_standard_error(cluster: Cluster) -> None:
    run = cluster.janitor("--output", "text")
    assert run.code == 0
    assert run.out.splitlines() == [
        "VERDICT  RESULT   SERVICE                NODE  REASON",
        "delete   deleted  nodeproxy-access-gone  gone  its node is gone",
        "unknown  -        odd                    -     its selector lacks the node label",
        "keep     -        nodeproxy-access-live  live  its node exists",
        "1 delete, 1 keep, 1 unknown, 1 deleted",
    ]
    assert all(" INFO " in line for line in run.err.splitlines())
    for logged in (
        __version__,
        cluster.api.url,
        "namespace project-nodeproxy",
        "--timeout=120s",
        f"Service project-nodeproxy/{GONE}: deleted",
    ):
        assert logged in run.err


def test_on_a_terminal_the_table_fits_its_width_and_kept_services_are_only_counted(cluster: Cluster) -> None:
    cluster.admin.create(SERVICES, objects.service("gone-" + "x" * 40))
    env = {**bare_environment(), "HOME": "/nonexistent", **cluster.janitor_env()}
    command = [sys.executable, "-m", "janitor", "--dry-run", "--log-level", "warning"]
    run, text = terminal.run(command, "stdout", stderr=subprocess.PIPE, cwd=ROOT, env=env)
    shown = text.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    assert max(map(len, shown)) <= 80
    assert shown[0].split() == ["VERDICT", "RESULT", "SERVICE"]
    assert "not listed: 1 to keep (--output json has all)" in shown
    assert contract.service_name("live") not in " ".join(shown)


def test_json_output_is_one_object_of_the_documented_shape(cluster: Cluster) -> None:
    run = cluster.janitor()
    namespace = "project-nodeproxy"
    assert json.loads(run.out) == {
        "mode": "delete",
        "services": [
            {
                "name": GONE,
                "namespace": namespace,
                "node": "gone",
                "verdict": "delete",
                "reason": "its node is gone",
                "result": "deleted",
            },
            {
                "name": "odd",
                "namespace": namespace,
                "node": None,
                "verdict": "unknown",
                "reason": "its selector lacks the node label",
                "result": None,
            },
            {
                "name": contract.service_name("live"),
                "namespace": namespace,
                "node": "live",
                "verdict": "keep",
                "reason": "its node exists",
                "result": None,
            },
        ],
        "counts": {"verdict": {"delete": 1, "keep": 1, "unknown": 1}, "result": {"deleted": 1}},
        "refused": None,
    }


def test_log_level_error_leaves_only_the_result(cluster: Cluster) -> None:
    run = cluster.janitor("--log-level", "error")
    assert (run.code, run.err) == (0, "")
    assert run.json["counts"]["result"] == {"deleted": 1}


def test_log_format_json_writes_one_object_per_line(cluster: Cluster) -> None:
    run = cluster.janitor("--log-format", "json", "--max-delete", "0")
    lines = [json.loads(line) for line in run.err.splitlines()]
    *others, gone, odd, refused = lines
    assert all(line.keys() == {"time", "level", "message"} for line in [*others, refused])
    assert refused["level"] == "error"
    assert refused["message"] == f"cannot delete any Service: {run.json['refused']}"
    said = [{key: line.get(key) for key in ("service", "node", "verdict")} for line in (gone, odd)]
    assert said == [
        {"service": GONE, "node": "gone", "verdict": "delete"},
        {"service": "odd", "node": None, "verdict": "unknown"},
    ]


def test_log_format_json_logs_each_service_once(cluster: Cluster) -> None:
    run = cluster.janitor("--log-format", "json")
    lines = [json.loads(line) for line in run.err.splitlines()]
    said = [(line["service"], line.get("result")) for line in lines if "service" in line]
    assert said == [(GONE, "deleted"), ("odd", None)]


def test_the_debug_log_shows_no_token(cluster: Cluster) -> None:
    env = cluster.janitor_env()
    run = cluster.janitor("--log-level", "debug", **env)
    with open(env["KUBECONFIG"]) as file:
        token = json.load(file)["users"][0]["user"]["token"]
    assert run.code == 0
    assert token not in run.err + run.out


def test_characters_that_the_output_encoding_lacks_are_escaped(cluster: Cluster) -> None:
    """A crash here would lose the report of what has already been deleted."""
    cluster.admin.create(SERVICES, objects.service("live", name="translated", annotation="北京"))
    run = cluster.janitor("--output", "text", PYTHONIOENCODING="ascii")
    assert run.code == 0, run.err
    assert "translated             \\u5317\\u4eac" in run.out
    assert GONE not in cluster.services()


# ---- environment variables, as in the CronJob


def test_environment_variables_set_the_same_as_flags_and_a_flag_wins(cluster: Cluster) -> None:
    env = {"JANITOR_DRY_RUN": "true", "JANITOR_OUTPUT": "text", "JANITOR_MAX_DELETE": "0"}
    refused = cluster.janitor(**env)
    assert (refused.code, refused.json["mode"]) == (3, "dry-run")  # the harness passes --output json
    foreseen = cluster.janitor("--max-delete", "1", **env)
    assert (foreseen.code, foreseen.verdicts[GONE]) == (0, ("delete", None))
    assert len(cluster.services()) == 3


def test_the_namespace_flag_wins_over_the_credentials_namespace(cluster: Cluster) -> None:
    run = cluster.janitor("--namespace", "default")
    assert run.code == 1
    assert 'cannot list resource "services" in API group "" in the namespace "default"' in run.last_line


# ---- with the registrar


def test_a_service_follows_its_node_from_registration_to_deletion_and_back(cluster: Cluster) -> None:
    cluster.wipe()
    cluster.register("stays")
    first = cluster.register("leaves")
    assert cluster.janitor().json["counts"] == {"verdict": {"keep": 2}, "result": {}}
    assert cluster.service_of("leaves") == first

    cluster.delete_node("leaves")  # its pod still exists: Kubernetes deletes it about a minute later
    assert cluster.janitor().json["counts"] == {"verdict": {"keep": 1, "wait": 1}, "result": {}}
    held = cluster.service_of("leaves")
    assert held["metadata"]["annotations"].pop(contract.NODE_MISSING_SINCE_ANNOTATION)
    for key in ("uid", "labels", "annotations"):
        assert held["metadata"][key] == first["metadata"][key]
    assert held["spec"] == first["spec"]

    cluster.node("leaves")
    cluster.lose("leaves")
    assert cluster.janitor().json["counts"] == {"verdict": {"delete": 1, "keep": 1}, "result": {"deleted": 1}}
    assert list(cluster.services()) == [contract.service_name("stays")]

    second = cluster.register("leaves")
    assert cluster.janitor().json["counts"] == {"verdict": {"keep": 2}, "result": {}}
    assert cluster.service_of("leaves") == second
