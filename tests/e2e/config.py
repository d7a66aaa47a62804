"""Configuration files of a node's programs."""

import json
from pathlib import Path

import yaml

from tests.e2e.layout import CGROUP, DNS_SERVICE, PRINTER, REGISTRY_PORT, SERVER, Site

CONTAINERD = "/run/containerd/containerd.sock"

_CONTAINERD = """\
version = 3
# this plugin would create /opt/containerd on the machine
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{registries}"
[plugins."io.containerd.cri.v1.runtime"]
  # runc may not lower oom_score_adj where root lacks CAP_SYS_RESOURCE
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"
"""


def containerd(pause: str, cni: Path, registries: Path) -> str:
    """`pause` is the image of a pod's first container, `cni` and `registries` are folders with configuration files."""
    return _CONTAINERD.format(pause=pause, cni=cni, registries=registries)


def registry_hosts() -> str:
    """containerd's hosts.toml: where the images of our registry are pulled from."""
    return f'server = "http://{SERVER}:{REGISTRY_PORT}"\n'


def pod_network(site: Site) -> str:
    """CNI: a bridge, and addresses from the node's own range."""
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isDefaultGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": site.pod_range}]]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]})


def resolver() -> str:
    """The node's resolv.conf: the resolver of its LAN."""
    return f"nameserver {PRINTER}\n"


def kubelet(site: Site, ca_file: Path, resolv_conf: Path) -> str:
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": site.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(ca_file)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{site.node}",
        "failCgroupV1": False,  # many machines that run these tests still have cgroup v1
        "enforceNodeAllocatable": [],
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": str(resolv_conf),  # of pods with dnsPolicy Default
        "failSwapOn": False,
        "serializeImagePulls": False,
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",  # kubelet would create its default on the machine
        # kubelet renews the lease after a quarter of this time: see NODE_GRACE in server.py
        "nodeLeaseDurationSeconds": 8,
        "nodeStatusUpdateFrequency": "2s",
        # a full disk or little memory concerns the whole machine, not this node
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }
    return yaml.safe_dump(config)
