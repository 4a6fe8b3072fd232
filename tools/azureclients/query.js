// Asks a workspace with Microsoft's query client, logged in by workload
// identity. argv: the file azure.json, the query, and optionally an ISO 8601
// timespan. Prints the result, or the error with its code, as JSON.
'use strict';
const fs = require('node:fs');
const { WorkloadIdentityCredential } = require('@azure/identity');
const { LogsQueryClient } = require('@azure/monitor-query-logs');

const [file, query, timespan] = process.argv.slice(2);
const azure = JSON.parse(fs.readFileSync(file, 'utf8'));
const credential = new WorkloadIdentityCredential({
  tenantId: azure.tenant, clientId: azure.clientID, tokenFilePath: azure.federatedTokenFile,
  authorityHost: azure.authorityHost, disableInstanceDiscovery: true,
});
const client = new LogsQueryClient(credential, { endpoint: azure.queryEndpoint });

client.queryWorkspace(process.env.WORKSPACE ?? azure.workspace, query, { duration: timespan ?? 'PT24H' }, { includeQueryStatistics: true, serverTimeoutInSeconds: 30 })
  .then((r) => console.log(JSON.stringify({
    status: r.status,
    tables: r.tables ?? r.partialTables,
    statistics: r.statistics,
    error: r.partialError && { code: r.partialError.code, message: r.partialError.message },
  })))
  .catch((e) => {
    console.log(JSON.stringify({ status: 'Failure', httpStatus: e.statusCode, code: e.code, message: e.message }));
  });
