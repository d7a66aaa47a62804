{{/* Name of the Service that leads to the proxy of a destination's node. Takes a list: the context and the destination. */}}
{{- define "nodeproxy.proxyService" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
{{- if .service -}}
{{ .service }}
{{- else -}}
{{- $name := printf "%s%s" $root.Values.service.prefix .node -}}
{{- if or (contains "." $name) (gt (len $name) 63) -}}
{{- fail (printf "destinations: %s: the Service of node %s has a hashed name; give that name as `service` in place of `node` (kubectl -n %s get services -L %s)" .name .node $root.Release.Namespace $root.Values.service.nodeLabel) -}}
{{- end -}}
{{ $name }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Fails if a destination cannot work. Takes the context. */}}
{{- define "nodeproxy.destinationChecks" -}}
{{- $seen := dict -}}
{{- /* without a cluster, as in `helm template`, nothing is found, not even this */ -}}
{{- $cluster := lookup "v1" "Namespace" "" "kube-system" -}}
{{- range .Values.destinations -}}
{{- $namespace := .namespace | default $.Release.Namespace -}}
{{- $wrong := "" -}}
{{- if not $.Values.tinyproxy.enabled -}}
{{- $wrong = "the tunnel leads through tinyproxy, and tinyproxy.enabled is false" -}}
{{- else if hasKey $seen (printf "%s/%s" $namespace .name) -}}
{{- $wrong = printf "this name is there twice in namespace %s" $namespace -}}
{{- else if and (eq $namespace $.Release.Namespace) (hasPrefix $.Values.service.prefix .name) -}}
{{- $wrong = printf "names that begin with %s are the nodes'" $.Values.service.prefix -}}
{{- else if and $.Values.tinyproxy.connectPorts (not (has (toString .port) (toStrings $.Values.tinyproxy.connectPorts))) -}}
{{- $wrong = printf "tinyproxy.connectPorts lacks port %d" (int .port) -}}
{{- else if and .clients (not $.Values.networkPolicy.enabled) -}}
{{- $wrong = "clients has no effect unless networkPolicy.enabled is true" -}}
{{- else if and .namespace $cluster (not (lookup "v1" "Namespace" "" .namespace)) -}}
{{- $wrong = printf "there is no namespace %s; kubectl create namespace %s" .namespace .namespace -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "destinations: %s: %s" .name $wrong) -}}
{{- end -}}
{{- $_ := set $seen (printf "%s/%s" $namespace .name) true -}}
{{- end -}}
{{- end }}

{{/* Labels that select the pods of a destination. Takes a list: the context and the destination. */}}
{{- define "nodeproxy.destinationSelector" -}}
app: {{ (index . 0).Values.name }}-destination
nodeproxy/destination: {{ (index . 1).name }}
{{- end }}

{{/* Arguments of socat. Takes a list: the context and the destination. */}}
{{- define "nodeproxy.tunnelArgs" -}}
{{- $root := index . 0 -}}
{{- $tinyproxy := $root.Values.tinyproxy -}}
{{- with index . 1 -}}
{{- $host := .host -}}
{{- if contains ":" $host }}{{ $host = printf "[%s]" $host }}{{ end -}}
{{- $proxy := printf "%s.%s" (include "nodeproxy.proxyService" (list $root .)) $root.Release.Namespace -}}
{{- if has $tinyproxy.logLevel (list "Connect" "Info") }}
# the log of the node's proxy names this pod as the client; this one names the client itself
- -d
- -d
{{- end }}
# tinyproxy ends a tunnel as soon as one side has finished sending: the answer to a client that only waits for it would be
# lost, and the end of a print job if the printer reports its state meanwhile. So with shut-none, tinyproxy learns of a
# client's end five seconds after the last byte, or when the destination ends the connection.
- -t5
- TCP-LISTEN:8080,fork,reuseaddr,backlog=128,max-children={{ int $root.Values.tunnel.maxConnections }}
# Keepalive ends a connection if the proxy has vanished.
- PROXY:{{ $proxy }}:{{ $host }}:{{ .port }},proxyport={{ (index $root.Values.service.ports 0).port }},connect-timeout=10,keepalive,keepidle=60,keepintvl=20,keepcnt=3,shut-none
{{- if $tinyproxy.basicAuth.existingSecret }},proxyauth=$(PROXY_USERNAME):$(PROXY_PASSWORD){{ end }}
{{- end -}}
{{- end }}
