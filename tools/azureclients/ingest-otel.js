// Sends spans, an exception, a log and a metric with the OpenTelemetry
// distribution. The connection string (it wants HTTPS) is in
// APPLICATIONINSIGHTS_CONNECTION_STRING; the attribute "run" is argv[2], and
// argv[3] the share of traces that is kept.
//
// The distribution talks to other hosts too. Statistics, live metrics and the
// look for a virtual machine's metadata are off, so that it only knows the
// endpoint it was given.
'use strict';
process.env.APPLICATION_INSIGHTS_NO_STATSBEAT = 'true';
process.env.OTEL_SERVICE_NAME = 'shop-api';
process.env.OTEL_RESOURCE_ATTRIBUTES = 'service.namespace=shop,service.instance.id=pod-1,service.version=1.4.2';

require('@opentelemetry/resource-detector-azure').azureVmDetector.detect = () => ({ attributes: {} });
const { useAzureMonitor, shutdownAzureMonitor } = require('@azure/monitor-opentelemetry');
const { trace, metrics, SpanKind, SpanStatusCode } = require('@opentelemetry/api');
const { logs, SeverityNumber } = require('@opentelemetry/api-logs');

const run = process.argv[2];
useAzureMonitor({
  enableLiveMetrics: false,
  enableStandardMetrics: false,
  enablePerformanceCounters: false,
  samplingRatio: Number(process.argv[3] ?? 1),
  tracesPerSecond: 0,
  azureMonitorExporterOptions: { connectionString: process.env.APPLICATIONINSIGHTS_CONNECTION_STRING, disableOfflineStorage: true },
});

const tracer = trace.getTracer('azureclients');
for (let i = 0; i < 50; i++) {
  tracer.startActiveSpan('GET /cart', {
    kind: SpanKind.SERVER,
    attributes: { run, slot: 'green', 'http.request.method': 'GET', 'url.full': 'http://shop/cart', 'http.response.status_code': i % 5 === 0 ? 500 : 200 },
  }, (span) => {
    tracer.startActiveSpan('SELECT', { kind: SpanKind.CLIENT, attributes: { run, 'db.system': 'mssql', 'db.statement': 'select 1', 'server.address': 'sql1' } }, (s) => s.end());
    if (i % 5 === 0) {
      span.recordException(new Error('boom'));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  });
}
logs.getLogger('azureclients').emit({ body: 'hello', severityNumber: SeverityNumber.WARN, attributes: { run } });
metrics.getMeter('azureclients').createHistogram('queueDepth').record(3, { run });
shutdownAzureMonitor().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
