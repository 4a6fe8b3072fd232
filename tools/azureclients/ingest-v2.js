// Sends one item of each kind with the classic SDK. The connection string is
// in APPLICATIONINSIGHTS_CONNECTION_STRING; the properties' "run" is argv[2].
// Prints what the endpoint answered.
'use strict';
const appInsights = require('applicationinsights');

appInsights.setup()
  .setAutoCollectRequests(false).setAutoCollectDependencies(false).setAutoCollectExceptions(false)
  .setAutoCollectPerformance(false, false).setAutoCollectConsole(false).setAutoCollectHeartbeat(false)
  .setAutoDependencyCorrelation(false).setUseDiskRetryCaching(false).setSendLiveMetrics(false);
appInsights.start();

const client = appInsights.defaultClient;
const run = process.argv[2];
Object.assign(client.context.tags, {
  [client.context.keys.cloudRole]: 'shop-api',
  [client.context.keys.cloudRoleInstance]: 'pod-1',
  [client.context.keys.applicationVersion]: '1.4.2',
});
client.commonProperties = { run, slot: 'green' };
client.trackRequest({
  id: 'r1', name: 'GET /cart', url: 'http://shop/cart', duration: 123.4, resultCode: '500', success: false,
  tagOverrides: { [client.context.keys.operationId]: '0123456789abcdef0123456789abcdef' },
});
client.trackDependency({ name: 'SELECT', data: 'select 1', target: 'sql1', duration: 7, resultCode: 0, success: true, dependencyTypeName: 'SQL' });
client.trackException({ exception: new Error('boom') });
client.trackEvent({ name: 'Deployed', measurements: { m: 1 } });
client.trackMetric({ name: 'queueDepth', value: 3 });
client.trackTrace({ message: 'hello', severity: appInsights.Contracts.SeverityLevel.Warning });
client.trackAvailability({ id: 'a1', name: 'smoke', duration: 50, success: true, runLocation: 'weu', message: 'ok' });
client.trackPageView({ id: 'p1', name: 'Home', url: 'http://shop/', duration: 250 });
client.flush({
  callback: (answer) => {
    console.log(answer);
    process.exit(0);
  },
});
