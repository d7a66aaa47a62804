"""What users run today: the hand-rolled stack's kubectl calls, in its order and with its rights."""

import yaml

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import NAMESPACE

ACCOUNT = "nodeproxy-manager"

REGISTER = rf"""
set -e
lower=$(echo "$NODE_NAME" | tr '[:upper:]' '[:lower:]')
"$KUBECTL" patch pod "$POD_NAME" -n {NAMESPACE} --type=json \
  -p='[{{"op": "add", "path": "/metadata/labels/target-node", "value": "'"$NODE_NAME"'"}}]'
cat <<EOF | "$KUBECTL" apply -f -
apiVersion: v1
kind: Service
metadata:
  name: {contract.SERVICE_PREFIX}$lower
  namespace: {NAMESPACE}
  labels: {{app: nodeproxy-system, type: access-point, managed-by: nodeproxy-daemonset}}
spec:
  type: ClusterIP
  selector: {{app: nodeproxy-agent, target-node: $NODE_NAME}}
  ports: [{{port: 8888, targetPort: 8888, protocol: TCP}}]
EOF
"""

CLEAN = rf"""
names='jsonpath={{.items[*].metadata.name}}'
services=$("$KUBECTL" get svc -n {NAMESPACE} -l managed-by=nodeproxy-daemonset -o "$names")
nodes=$("$KUBECTL" get nodes -o "$names")
for service in $services; do
  node=${{service#"{contract.SERVICE_PREFIX}"}}
  if echo "$nodes" | grep -i -w -q "$node"; then
    echo "keep $node"
  else
    "$KUBECTL" delete svc "$service" -n {NAMESPACE}
  fi
done
"""


def user() -> str:
    return f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


def grant(api: ApiServer) -> None:
    """Create the ServiceAccount with the stack's cluster-wide rights."""
    api.ensure_service_account(NAMESPACE, ACCOUNT)
    verbs = {
        "pods": ["get", "patch", "list"],
        "services": ["get", "create", "patch", "update", "delete", "list"],
        "nodes": ["get", "list"],
    }
    rules = [{"apiGroups": [""], "resources": [key], "verbs": value} for key, value in verbs.items()]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "handrolled"}}
    binding = {
        **role,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "handrolled"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
    }
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all([{**role, "rules": rules}, binding]))
