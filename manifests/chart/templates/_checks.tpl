{{/* Fails before anything is sent to the cluster if the values contradict each other or an older stack is there. */}}
{{- define "nodeproxy.checks" -}}
{{- if .Values.tinyproxy.enabled -}}
{{- range $name := list "command" "args" "files" "filesSecret" -}}
{{- if index $.Values.proxy $name -}}
{{- fail (printf "proxy.%s is for another program than tinyproxy: set tinyproxy.enabled=false too" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.commonLabels .Values.service.nodeLabel -}}
{{- fail (printf "commonLabels.%s: the registrar sets this label" .Values.service.nodeLabel) -}}
{{- end -}}
{{- if and .Values.agent.clients (not .Values.networkPolicy.enabled) -}}
{{- fail "agent.clients has no effect unless networkPolicy.enabled is true" -}}
{{- end -}}
{{- if and .Values.metrics.proxy.enabled (or (not .Values.tinyproxy.enabled) .Values.tinyproxy.basicAuth.existingSecret) -}}
{{- fail "metrics.proxy.enabled needs tinyproxy, without tinyproxy.basicAuth: Prometheus cannot give a proxy's password" -}}
{{- end -}}
{{- range .Values.service.ports -}}
{{- if kindIs "string" .targetPort -}}
{{- if or (ne .targetPort $.Values.proxy.portName) (ne (.protocol | default "TCP") "TCP") -}}
{{- fail (printf "service.ports: targetPort %s leads nowhere: the pod has one port with a name, %s (proxy.portName), over TCP; or give a number" .targetPort $.Values.proxy.portName) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "nodeproxy.destinationChecks" . -}}
{{- range .Values.sites -}}
{{- if gt (len (printf "%s-site-%s" $.Values.name .)) 63 -}}
{{- fail (printf "sites: the Service's name %s-site-%s is longer than 63 characters" $.Values.name .) -}}
{{- end -}}
{{- end -}}
{{- $found := lookup "apps/v1" "DaemonSet" .Release.Namespace (printf "%s-agent" .Values.name) -}}
{{- if and $found (ne (dig "metadata" "labels" "app.kubernetes.io/name" "" $found) "nodeproxy") -}}
{{- $cleaner := printf "kubectl -n %s delete cronjob %s-cleaner --ignore-not-found" .Release.Namespace .Values.name -}}
{{- $pods := printf "kubectl -n %s label pods -l app=%s-agent pod-template-generation-" .Release.Namespace .Values.name -}}
{{- $agent := printf "kubectl -n %s delete daemonset %s-agent --cascade=orphan" .Release.Namespace .Values.name -}}
{{- fail (printf "DaemonSet %s/%s-agent is an older stack's; its containers would stay beside the new ones. Its pods go on working after\n  %s\n  %s\n  %s\nand the next try replaces them one by one (docs/migration.md)" .Release.Namespace .Values.name $cleaner $agent $pods) -}}
{{- end -}}
{{- end }}
