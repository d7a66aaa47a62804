"""`--pod-labels`: the labels of the own pod are read from the file that kubelet writes."""

from pathlib import Path
from typing import cast

import pytest

from registrar import contract, pod, settings
from registrar.claims import Identity
from registrar.cli.failures import Failure, SettingsError
from registrar.kube.transport import Kube

NO_REQUEST = cast(Kube, None)
OWN = Identity("node-a", "agent-1", "u", "ns")


def check(file: Path) -> None:
    given = settings.parse(("--pod-labels", str(file)), {})
    assert pod.ensure_labels(NO_REQUEST, given, contract.NodeNames.of("node-a"), OWN) is None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def test_labels_are_read_as_kubelet_writes_them() -> None:
    text = 'app="nodeproxy-agent"\nempty=""\nexample.com/node="ip-10-0-1-23.ec2.internal"'
    labels = {"app": "nodeproxy-agent", "empty": "", "example.com/node": "ip-10-0-1-23.ec2.internal"}
    assert pod.parse_labels(text) == labels
    assert pod.parse_labels("") == {}


def test_a_pod_with_all_labels_takes_no_request(file: Path) -> None:
    file.write_text('app="nodeproxy-agent"\ntarget-node="node-a"\nteam="x"')
    check(file)


@pytest.mark.parametrize("label", ["", 'target-node=""', 'target-node="node-b"', 'x/target-node="node-a"'])
def test_a_pod_without_its_nodes_label_needs_a_successor(file: Path, label: str) -> None:
    file.write_text(f'app="nodeproxy-agent"\n{label}')
    with pytest.raises(pod.Unlabelled, match="delete the pod: its DaemonSet creates a new one") as raised:
        check(file)
    assert raised.value.exit_code == 4


def test_a_pod_without_a_label_of_the_selector_is_a_failure(file: Path) -> None:
    file.write_text('app="other"\ntarget-node="node-a"')
    with pytest.raises(Failure, match="does not have the label app=nodeproxy-agent") as raised:
        check(file)
    assert raised.value.exit_code == 1


def test_a_file_that_is_not_there_is_a_bad_setting(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"--pod-labels \(REGISTRAR_POD_LABELS\): cannot read .*: No such file"):
        check(file)
