// Reads, lists, sets and deletes with Microsoft's own packages, and prints what came back as JSON.
const { WorkloadIdentityCredential } = require("@azure/identity");
const { SecretClient } = require("@azure/keyvault-secrets");

const [authorityHost, tenantId, clientId, tokenFilePath, vault] = process.argv.slice(2);
const login = (id) =>
  new WorkloadIdentityCredential({ authorityHost, tenantId, clientId: id, tokenFilePath, disableInstanceDiscovery: true });
const open = (credential) => new SecretClient(vault, credential, { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } });

// refused gives the code of the error that f must end with.
async function refused(f) {
  try {
    await f();
  } catch (e) {
    return `${e.statusCode ?? e.name} ${e.code ?? ""}`.trim();
  }
  return "not refused";
}

async function main() {
  const client = open(login(clientId));
  const set = await client.setSecret("from-js", 'ü "quoted" \n value', { contentType: "text/plain", tags: { by: "js" } });
  const again = await client.setSecret("from-js", "second");
  const pinned = await client.getSecret("from-js", { version: set.properties.version });
  const latest = await client.getSecret("from-js");
  const names = [];
  for await (const p of client.listPropertiesOfSecrets()) names.push(p.name);
  const versions = [];
  for await (const p of client.listPropertiesOfSecretVersions("from-js")) versions.push(p.version);
  const out = {
    pinned: pinned.value,
    tag: pinned.properties.tags.by,
    latest: latest.value,
    current: latest.properties.version === again.properties.version,
    names,
    versions: versions.length,
    missing: await refused(() => client.getSecret("missing")),
    disabled: await refused(() => client.getSecret("off")),
    badName: await refused(() => client.getSecret("bad_name")),
    stranger: await refused(() => open(login("99999999-9999-4999-8999-999999999999")).getSecret("from-js")),
  };
  const poller = await client.beginDeleteSecret("from-js");
  const deleted = await poller.pollUntilDone();
  out.deleted = deleted.name;
  out.gone = await refused(() => client.getSecret("from-js"));
  console.log(JSON.stringify(out));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
