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
{{- if ne (include "agent.word" (dig "kubernetes" "api" "auto" .Values.config)) "off" -}}true{{- end -}}
{{- end -}}

{{- define "agent.sink" -}}
{{- include "agent.word" (dig "labels" "sink" "node" .Values.config) -}}
{{- end -}}

{{/* Helm reads off and on without quotes as truth values, like YAML 1.1; for the agent they are words. */}}
{{- define "agent.word" -}}
{{- if kindIs "bool" . }}{{ ternary "on" "off" . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* A configuration as the agent reads it: with words in the settings that may be off or on. */}}
{{- define "agent.configuration" -}}
{{- $config := deepCopy . -}}
{{- range $path := list "kubernetes.api" "labels.sink" "driver.peermem" "driver.persistenced" "driver.fabricManager" "driver.imex" -}}
{{- $section := get $config (first (splitList "." $path)) -}}
{{- $key := last (splitList "." $path) -}}
{{- if kindIs "map" $section -}}
{{- if kindIs "bool" (get $section $key) -}}
{{- $_ := set $section $key (include "agent.word" (get $section $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
