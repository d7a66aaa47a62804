{{/* Labels of an object: the context, the component and perhaps further ones, in a list. Never part of a selector. */}}
{{- define "nodeproxy.labels" -}}
{{- $root := index . 0 -}}
{{- $labels := include "nodeproxy.podLabels" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- if gt (len .) 2 }}{{ $labels = merge (deepCopy (index . 2)) $labels }}{{ end -}}
{{ toYaml $labels }}
{{- end }}

{{/* Labels of a pod, without the version: a new version of the chart alone must not replace pods. */}}
{{- define "nodeproxy.podLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: nodeproxy
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name of a cluster-scoped object: unique for each `name` and namespace. Takes a list: the context and the last part. */}}
{{- define "nodeproxy.clusterName" -}}
{{- $root := index . 0 -}}
{{ $root.Values.name }}-{{ index . 1 }}
{{- if ne $root.Release.Namespace "project-nodeproxy" }}-{{ $root.Release.Namespace }}{{ end }}
{{- end }}

{{/* Reference of an image: the context and the image's values in a list. */}}
{{- define "nodeproxy.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{ $root.Values.images.registry | default $image.registry }}/{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/*
Whether a feature is on: prints "on" or nothing. Takes a list: the context, the value, its name for the error message, and
the first minor release of Kubernetes that has the feature. `auto` turns it on if the cluster has it, `false` and "" turn it
off. Any other value fails on an older cluster.
*/}}
{{- define "nodeproxy.feature" -}}
{{- $root := index . 0 -}}
{{- $value := toString (index . 1) -}}
{{- $there := semverCompare (printf ">=1.%v.0-0" (index . 3)) $root.Capabilities.KubeVersion.Version -}}
{{- if not (or $there (has $value (list "auto" "false" ""))) -}}
{{- fail (printf "%s needs Kubernetes 1.%v or newer; this cluster has %s" (index . 2) (index . 3) $root.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $there (not (has $value (list "false" ""))) }}on{{ end -}}
{{- end }}

{{- define "nodeproxy.surge" -}}
{{ include "nodeproxy.feature" (list . .Values.agent.surge "agent.surge" 30) }}
{{- end }}

{{- define "nodeproxy.admission" -}}
{{ include "nodeproxy.feature" (list . .Values.admission.enabled "admission.enabled" 30) }}
{{- end }}

{{- define "nodeproxy.labelPods" -}}
{{ include "nodeproxy.feature" (list . .Values.admission.labelPods "admission.labelPods" 36) }}
{{- end }}

{{- define "nodeproxy.inject" -}}
{{ include "nodeproxy.feature" (list . .Values.inject.enabled "inject.enabled" 36) }}
{{- end }}

{{/* The label that holds a node's site. Pods have that of their node from Kubernetes 1.35 on. */}}
{{- define "nodeproxy.siteLabel" -}}
topology.kubernetes.io/zone
{{- end }}

{{/* Whether the registrar has to copy that label: prints "on" or nothing. */}}
{{- define "nodeproxy.copySite" -}}
{{- if and .Values.sites (not (include "nodeproxy.feature" (list . "auto" "" 35))) }}on{{ end -}}
{{- end }}

{{/* Ports of the Services as the registrar takes them: NAME=PORT:TARGET/PROTOCOL, separated by commas. */}}
{{- define "nodeproxy.ports" -}}
{{- $default := .Values.proxy.port -}}
{{- $ports := list -}}
{{- range .Values.service.ports -}}
{{- $ports = append $ports (printf "%s=%v:%v/%s" .name (toString .port) (toString (.targetPort | default $default)) (.protocol | default "TCP")) -}}
{{- end -}}
{{ join "," $ports }}
{{- end }}

{{/* Environment of a container from a dictionary. */}}
{{- define "nodeproxy.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Security of a pod and of a container: Pod Security's level restricted. */}}
{{- define "nodeproxy.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "nodeproxy.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What kubelet would mount by itself into every container; here only one container mounts it. */}}
{{- define "nodeproxy.tokenVolume" -}}
- name: api-access
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{- define "nodeproxy.tokenMount" -}}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* Nodes that may run a pod. The images are for Linux: a cluster may have Windows nodes too. */}}
{{- define "nodeproxy.nodeSelector" -}}
nodeSelector:
  {{- toYaml (merge (dict "kubernetes.io/os" "linux") .) | nindent 2 }}
{{- end }}

{{- define "nodeproxy.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Binds a policy to the release's namespace. Takes a list: the context, the last part of the policy's name, and perhaps
paramRef.
*/}}
{{- define "nodeproxy.policyBinding" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "nodeproxy.clusterName" . }}
  labels:
    {{- include "nodeproxy.labels" (list $root "admission") | nindent 4 }}
spec:
  policyName: {{ include "nodeproxy.clusterName" . }}
  validationActions: [Deny]
  {{- if gt (len .) 2 }}
  paramRef:
    {{- toYaml (index . 2) | nindent 4 }}
  {{- end }}
  matchResources:
    namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: {{ $root.Release.Namespace | quote }}
{{- end }}

{{/*
Variables of a policy: `nodeValue` is the label value of the node in `variables.node`, as registrar/contract.py makes it, and
`digits` are the ten hex digits of a hashed name. Each weight stands with its place: CEL cannot count.
*/}}
{{- define "nodeproxy.nodeVariables" -}}
{{- $weights := list -}}
{{- range $place := until 253 -}}
{{- $weights = append $weights (printf "[%d, %d]" $place (int64 (printf "0x%s" (toString $place | sha256sum | trunc 10)))) -}}
{{- end -}}
- name: weights
  expression: >-
    [{{ join ", " $weights }}]
- name: sum
  expression: >-
    variables.weights.filter(weight, weight[0] < variables.node.size())
    .map(weight, ('abcdefghijklmnopqrstuvwxyz0123456789-.'.indexOf(variables.node.charAt(weight[0])) + 1) * weight[1])
    .sum() % 1099511627689
- name: digits
  expression: >-
    [68719476736, 4294967296, 268435456, 16777216, 1048576, 65536, 4096, 256, 16, 1]
    .map(unit, '0123456789abcdef'.charAt(variables.sum / unit % 16)).join('')
- name: nodeValue
  expression: >-
    variables.node.size() <= 63 ? variables.node : variables.node.substring(0, 52) + '-' + variables.digits
{{- end }}

{{/*
Variables and the validation of a policy that hold managedFields to what a program's own requests leave there. Whoever holds
its token could otherwise store megabytes in them, nested thousands deep. `newManagers` are the entries that the request adds
or changes. An entry is the program's or one that was there, and of the fields in `tops` it has four levels and 16 KiB. The
API server itself writes before-first-apply and ancient-changes. Both take a list: the manager and `tops` as CEL.
*/}}
{{- define "nodeproxy.managerVariables" -}}
- name: oldManagers
  expression: "oldObject != null && has(oldObject.metadata.managedFields) ? oldObject.metadata.managedFields : []"
- name: newManagers
  expression: >-
    (object != null && has(object.metadata.managedFields) ? object.metadata.managedFields : [])
    .filter(entry, !variables.oldManagers.exists(old, old == entry))
{{- end }}

{{- define "nodeproxy.managerValidation" -}}
- expression: >-
    variables.newManagers.all(entry, entry.apiVersion == 'v1' && !has(entry.subresource)
    && (entry.manager in ['{{ index . 0 }}', 'before-first-apply', 'ancient-changes']
    || variables.oldManagers.exists(old, old.manager == entry.manager && old.operation == entry.operation))
    && entry.fieldsV1.size() <= 4 && entry.fieldsV1.all(top, top in {{ index . 1 }}
    ? entry.fieldsV1[top].size() <= 32 && dyn(entry.fieldsV1[top]).all(a,
    entry.fieldsV1[top][a].size() <= 256 && dyn(entry.fieldsV1[top][a]).all(b,
    entry.fieldsV1[top][a][b].size() <= 32 && dyn(entry.fieldsV1[top][a][b]).all(c,
    entry.fieldsV1[top][a][b][c].size() == 0)))
    && dyn(entry.fieldsV1[top]).map(a, a.size() + dyn(entry.fieldsV1[top][a]).map(b, b.size()
    + dyn(entry.fieldsV1[top][a][b]).map(c, c.size()).sum()).sum()).sum() <= 16384
    : variables.oldManagers.exists(old, old.manager == entry.manager && old.operation == entry.operation
    && top in old.fieldsV1 && old.fieldsV1[top] == entry.fieldsV1[top])))
  message: managedFields has a field manager, or fields of one, that {{ index . 0 }} does not leave there
  reason: Forbidden
{{- end }}

{{/* CEL: finalizers, owners, generateName and selfLink are as they were. */}}
{{- define "nodeproxy.sameMetadata" -}}
{{- $same := list -}}
{{- range $field, $absent := dict "finalizers" "[]" "ownerReferences" "[]" "generateName" "''" "selfLink" "''" -}}
{{- $new := printf "(has(object.metadata.%s) ? object.metadata.%s : %s)" $field $field $absent -}}
{{- $old := printf "(oldObject != null && has(oldObject.metadata.%s) ? oldObject.metadata.%s : %s)" $field $field $absent -}}
{{- $same = append $same (printf "%s\n== %s" $new $old) -}}
{{- end -}}
{{ join "\n&& " $same }}
{{- end }}
