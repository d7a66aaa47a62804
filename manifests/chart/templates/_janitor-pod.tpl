{{/* The janitor's pod template, which its CronJob and its Deployment share. */}}
{{- define "nodeproxy.janitorPod" -}}
{{- $janitor := .Values.janitor -}}
{{- $stays := eq $janitor.kind "Deployment" -}}
{{- $env := dict "JANITOR_NODE_LABEL" .Values.service.nodeLabel -}}
{{- if $janitor.events }}{{ $_ := set $env "JANITOR_EVENTS" "true" }}{{ end -}}
{{- if $stays }}{{ $_ := set $env "JANITOR_INTERVAL" $janitor.interval }}{{ $_ := set $env "JANITOR_LOG_FORMAT" "json" }}{{ end -}}
{{- $metrics := or $stays .Values.metrics.podMonitor.enabled -}}
{{- if $metrics }}{{ $_ := set $env "JANITOR_METRICS_PORT" "8080" }}{{ end -}}
{{- if and $metrics (not $stays) }}{{ $_ := set $env "JANITOR_LINGER" "90s" }}{{ end -}}
metadata:
  labels:
    app: {{ .Values.name }}-{{ ternary "janitor" "cleaner" $stays }}
    {{- include "nodeproxy.podLabels" (list . "janitor") | nindent 4 }}
  {{- with $janitor.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "nodeproxy.nodeSelector" $janitor.nodeSelector | nindent 2 }}
  {{- with $janitor.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $janitor.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- include "nodeproxy.pullSecrets" . | nindent 2 }}
  serviceAccountName: {{ .Values.name }}-janitor
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if not $stays }}
  restartPolicy: Never
  {{- end }}
  securityContext:
    {{- include "nodeproxy.podSecurityContext" . | nindent 4 }}
  containers:
    - name: janitor
      image: {{ include "nodeproxy.image" (list . $janitor.image) }}
      imagePullPolicy: {{ .Values.images.pullPolicy }}
      env:
        {{- include "nodeproxy.env" (merge (deepCopy $janitor.settings) $env) | indent 8 }}
        {{- with .Values.metrics.pushgateway }}
        {{- if .existingSecret }}
        - name: JANITOR_PUSHGATEWAY
          valueFrom:
            secretKeyRef:
              name: {{ .existingSecret }}
              key: {{ .key }}
        {{- end }}
        {{- end }}
      {{- if $metrics }}
      ports:
        - name: metrics
          containerPort: 8080
      {{- end }}
      {{- if $stays }}
      # Not live when three intervals passed without a finished run. An outage of the API server is no reason to restart:
      # a run that fails is finished too.
      livenessProbe:
        httpGet:
          port: metrics
          path: /livez
        periodSeconds: 30
        timeoutSeconds: 5
      # ready once a run could do its work: a rollout without the rights it needs does not complete
      readinessProbe:
        httpGet:
          port: metrics
          path: /readyz
        periodSeconds: 10
        timeoutSeconds: 5
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "nodeproxy.securityContext" . | nindent 8 }}
      resources:
        {{- toYaml $janitor.resources | nindent 8 }}
      volumeMounts:
        {{- include "nodeproxy.tokenMount" . | nindent 8 }}
  volumes:
    {{- include "nodeproxy.tokenVolume" . | nindent 4 }}
{{- end }}
