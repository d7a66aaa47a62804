{{/* Who may use which proxy, in the terms of network policies. */}}

{{/* A peer, from an entry with a namespace selector, a pod selector or both. A pod selector alone means any namespace. */}}
{{- define "nodeproxy.peer" -}}
- namespaceSelector:
    {{- toYaml (.namespaceSelector | default dict) | nindent 4 }}
  {{- with .podSelector }}
  podSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The peers that have opted in, each pod by itself or a whole namespace. */}}
{{- define "nodeproxy.optedIn" -}}
- namespaceSelector: {}
  podSelector:
    matchLabels:
      nodeproxy/client: "true"
- namespaceSelector:
    matchLabels:
      nodeproxy/client: "true"
{{- end }}

{{/* The peers that agent.clients names for a node, and the destinations that lead through it. Takes the context and the node. */}}
{{- define "nodeproxy.clientsOf" -}}
{{- $root := index . 0 -}}
{{- $node := index . 1 -}}
{{- $peers := list -}}
{{- range $root.Values.agent.clients -}}
{{- if eq .node $node }}{{ $peers = append $peers (include "nodeproxy.peer" .) }}{{ end -}}
{{- end -}}
{{- range $root.Values.destinations -}}
{{- if eq (.node | default "") $node -}}
{{- $namespace := dict "kubernetes.io/metadata.name" (.namespace | default $root.Release.Namespace) -}}
{{- $pod := include "nodeproxy.destinationSelector" (list $root .) | fromYaml -}}
{{- $peer := dict "namespaceSelector" (dict "matchLabels" $namespace) "podSelector" (dict "matchLabels" $pod) -}}
{{- $peers = append $peers (include "nodeproxy.peer" $peer) -}}
{{- end -}}
{{- end -}}
{{ join "\n" $peers }}
{{- end }}

{{/* A rule that lets peers reach the proxies' ports. Takes the context and the peers' YAML. */}}
{{- define "nodeproxy.clientsRule" -}}
{{- $root := index . 0 -}}
- from:
    {{- index . 1 | nindent 4 }}
  ports:
    {{- range $root.Values.service.ports }}
    - port: {{ .targetPort | default $root.Values.proxy.port }}
      protocol: {{ .protocol | default "TCP" }}
    {{- end }}
{{- end }}
