{{/* The proxy's configuration files, as data of a ConfigMap. */}}
{{- define "nodeproxy.files" -}}
{{- if .Values.tinyproxy.enabled -}}
tinyproxy.conf: |
  {{- include "nodeproxy.tinyproxyConf" . | nindent 2 }}
stats: |
  {{- if .Values.metrics.proxy.enabled }}
  {{- .Files.Get "files/tinyproxy.metrics" | trim | nindent 2 }}
  {{- else }}
  tinyproxy answers
  {{- end }}
filter: |
  {{- if .Values.tinyproxy.filter.defaults }}
  {{- .Files.Get "files/tinyproxy.filter" | trim | nindent 2 }}
  {{- end }}
  {{- range .Values.tinyproxy.filter.hosts }}
  {{ . }}
  {{- end }}
{{- else -}}
{{ toYaml .Values.proxy.files }}
{{- end }}
{{- end }}

{{- define "nodeproxy.tinyproxyConf" -}}
# Foreground, as an unprivileged user, on a read-only file system: so no User, Group, PidFile or LogFile.
Port {{ .Values.proxy.port }}
Timeout {{ int .Values.tinyproxy.timeout }}
MaxClients {{ int .Values.tinyproxy.maxClients }}
LogLevel {{ .Values.tinyproxy.logLevel }}
# what is reached through here need not learn of it
DisableViaHeader Yes
# Any client that the cluster lets in may use it: so no Allow.
# Any client can ask for the page that the probes ask for. tinyproxy's own page counts the connections of all clients.
StatFile "/etc/nodeproxy/stats"
{{- range .Values.tinyproxy.connectPorts }}
ConnectPort {{ . }}
{{- end }}
Filter "/etc/nodeproxy/filter"
FilterType ere
{{- with .Values.tinyproxy.extraConfig }}
{{ . | trim }}
{{- end }}
{{- end }}

{{/* Handler of the probes. */}}
{{- define "nodeproxy.probe" -}}
{{- if not .Values.tinyproxy.enabled -}}
tcpSocket:
  port: {{ .Values.proxy.portName }}
{{- else if .Values.tinyproxy.basicAuth.existingSecret -}}
exec:
  command: [sh, -c, ". /run/nodeproxy/probe && export http_proxy && wget -q -O /dev/null http://tinyproxy.stats/"]
{{- else -}}
# tinyproxy's own page: a proxy that answers it has a connection to spare. A probe that only connects would leave an error
# in the log each time.
httpGet:
  port: {{ .Values.proxy.portName }}
  path: /
  {{- if not .Values.metrics.proxy.enabled }}
  httpHeaders:
    - name: Host
      value: tinyproxy.stats
  {{- end }}
{{- end }}
{{- end }}
