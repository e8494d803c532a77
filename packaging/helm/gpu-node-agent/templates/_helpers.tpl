{{- define "agent.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods; app.kubernetes.io/name is what monitors and alerts of packaging/monitoring look for. */}}
{{- define "agent.selector" -}}
app.kubernetes.io/name: gpu-node-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "agent.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* A host directory as a mount's destination below /host: /var/run is a link on hosts, and a mount cannot go through it. */}}
{{- define "agent.mounted" -}}
/host{{ regexReplaceAll "^/var/run/" . "/run/" }}
{{- end -}}

{{/* The API server is asked for nothing where kubernetes.api is off. */}}
{{- define "agent.api" -}}
{{- if ne (toString (dig "kubernetes" "api" "auto" .Values.config)) "off" -}}true{{- end -}}
{{- end -}}

{{- define "agent.sink" -}}
{{- dig "labels" "sink" "node" .Values.config -}}
{{- end -}}
