{{- define "calculator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* A release's name may have dots, a Service's may not. Leaves room for "-frontend" and "-backend" in the 63 characters of a Service's name. */}}
{{- define "calculator.fullname" -}}
{{- $name := include "calculator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "calculator.version" -}}
{{- .Values.version | default .Chart.AppVersion -}}
{{- end -}}

{{/* What selects pods: never changes between versions, and holds the release's name, so
     that two releases live beside each other. Takes {root, component}. */}}
{{- define "calculator.selector" -}}
app.kubernetes.io/name: {{ include "calculator.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "calculator.labels" -}}
{{ include "calculator.selector" . }}
app.kubernetes.io/version: {{ include "calculator.version" .root | quote }}
app.kubernetes.io/part-of: {{ include "calculator.name" .root }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "calculator.podLabels" -}}
{{ include "calculator.selector" . }}
app.kubernetes.io/version: {{ include "calculator.version" .root | quote }}
app.kubernetes.io/part-of: {{ include "calculator.name" .root }}
version: {{ include "calculator.version" .root | quote }}
{{- with .root.Values.slot }}
slot: {{ . }}
{{- end }}
{{- end -}}

{{- define "calculator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "calculator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "calculator.faults" -}}
{{- with .failureRate }}
- {name: FAULT_FAILURE_RATE, value: {{ . | quote }}}
{{- end }}
{{- with .random }}
- {name: FAULT_RANDOM, value: {{ . | quote }}}
{{- end }}
{{- with .addedLatency }}
- {name: FAULT_ADDED_LATENCY, value: {{ . | quote }}}
{{- end }}
{{- with .latencySpread }}
- {name: FAULT_LATENCY_SPREAD, value: {{ . | quote }}}
{{- end }}
{{- with .crashAfter }}
- {name: FAULT_CRASH_AFTER, value: {{ . | quote }}}
{{- end }}
{{- with .memoryLeak }}
- {name: FAULT_MEMORY_LEAK, value: {{ . | int64 | quote }}}
{{- end }}
{{- with .startDelay }}
- {name: FAULT_START_DELAY, value: {{ . | quote }}}
{{- end }}
{{- with .neverReady }}
- {name: FAULT_NEVER_READY, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- define "calculator.telemetry" -}}
{{- if .secret.name }}
- {name: TELEMETRY_DIR, value: /etc/calculator/telemetry}
- {name: TELEMETRY_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
{{- end }}
{{- with .otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if or .secret.name .otlpEndpoint }}
- {name: TELEMETRY_SAMPLING_RATIO, value: {{ .samplingRatio | quote }}}
{{- end }}
{{- end -}}

{{/* One Deployment, Service, PodDisruptionBudget and perhaps HorizontalPodAutoscaler.
     Takes {root, component, env, redis}. */}}
{{- define "calculator.part" -}}
{{- $part := index .root.Values .component -}}
{{- $name := printf "%s-%s" (include "calculator.fullname" .root) .component -}}
{{- $insights := .root.Values.telemetry.secret -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "calculator.labels" . | nindent 4 }}
spec:
  {{- if not $part.autoscaling.enabled }}
  replicas: {{ $part.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  progressDeadlineSeconds: 120
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 25%}
  selector:
    matchLabels:
      {{- include "calculator.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "calculator.podLabels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "calculator.fullname" .root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      # The drain, 10 s for the requests under way, 3 s for the last telemetry, and some air.
      terminationGracePeriodSeconds: {{ add .root.Values.drainSeconds 15 }}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "calculator.podSecurity" . | nindent 8 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "calculator.selector" . | nindent 14 }}
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "calculator.selector" . | nindent 14 }}
      containers:
        - name: {{ .component }}
          image: {{ required (printf "%s.image: give the full reference of the image, by digest" .component) $part.image | quote }}
          ports:
            - {name: http, containerPort: {{ $part.port }}, protocol: TCP}
          env:
            - {name: PORT, value: {{ $part.port | quote }}}
            - {name: VERSION, value: {{ include "calculator.version" .root | quote }}}
            - {name: SLOT, value: {{ .root.Values.slot | quote }}}
            - {name: DRAIN, value: {{ printf "%ds" (int .root.Values.drainSeconds) }}}
            {{- with .env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            {{- with include "calculator.telemetry" .root.Values.telemetry | trim }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with include "calculator.faults" $part.faults | trim }}
            {{- . | nindent 12 }}
            {{- end }}
          # Why it could not start stands in the pod's status, so that who releases it can say so.
          terminationMessagePolicy: FallbackToLogsOnError
          # Ready within a second of being so; no failed probe is needed to learn of a stop.
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 1
            timeoutSeconds: 1
            failureThreshold: 3
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 3
          {{- with $part.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- include "calculator.containerSecurity" . | nindent 12 }}
          {{- if or .redis $insights.name }}
          volumeMounts:
            {{- if .redis }}
            - {name: redis, mountPath: /etc/calculator/redis, readOnly: true}
            {{- end }}
            {{- if $insights.name }}
            - {name: telemetry, mountPath: /etc/calculator/telemetry, readOnly: true}
            {{- end }}
          {{- end }}
      {{- if or .redis $insights.name }}
      volumes:
        {{- with .redis }}
        - name: redis
          {{- if $.root.Values.redis.csi }}
          csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: {{ . | quote }}}}
          {{- else }}
          secret: {secretName: {{ . | quote }}, defaultMode: 288} # 0440
          {{- end }}
        {{- end }}
        {{- if $insights.name }}
        - name: telemetry
          projected:
            defaultMode: 288
            sources: # the connection string must be there, ca.crt may be
              - secret: {name: {{ $insights.name | quote }}, items: [{key: {{ $insights.key | quote }}, path: connection-string}]}
              - secret: {name: {{ $insights.name | quote }}, items: [{key: ca.crt, path: ca.crt}], optional: true}
        {{- end }}
      {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "calculator.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "calculator.selector" . | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http, protocol: TCP}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "calculator.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready serves nobody: let it be evicted.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "calculator.selector" . | nindent 6 }}
{{- if $part.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "calculator.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ $part.autoscaling.minReplicas }}
  maxReplicas: {{ $part.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $part.autoscaling.targetCPUUtilizationPercentage }}}
{{- end }}
{{- end -}}
