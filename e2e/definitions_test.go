//go:build e2e

package e2e

// The definitions of what fetches secrets, by the documentation of External Secrets (external-secrets.io/latest/api/spec) and
// of the Secrets Store CSI driver (secrets-store-csi-driver.sigs.k8s.io/concepts): the fields that Slipway might use, and no
// others, so that the API server refuses what the real definitions do not have.
const (
	namespacedV1 = `  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
`
	withStatus = `      subresources: { status: {} }
`
	objectSchema = `      schema:
        openAPIV3Schema:
          type: object
          properties:
            apiVersion: { type: string }
            kind: { type: string }
            metadata: { type: object }
`

	externalSecretDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: externalsecrets.external-secrets.io }
spec:
  group: external-secrets.io
  names: { kind: ExternalSecret, listKind: ExternalSecretList, plural: externalsecrets, singular: externalsecret, shortNames: [es] }
` + namespacedV1 + withStatus + objectSchema + `            spec:
              type: object
              properties:
                secretStoreRef:
                  type: object
                  properties:
                    name: { type: string, minLength: 1, maxLength: 253, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$' }
                    kind: { type: string, enum: [SecretStore, ClusterSecretStore] }
                refreshPolicy: { type: string, enum: [CreatedOnce, Periodic, OnChange] }
                refreshInterval: { type: string, default: 1h0m0s }
                target:
                  type: object
                  default: { creationPolicy: Owner, deletionPolicy: Retain }
                  properties:
                    name: { type: string, minLength: 1, maxLength: 253, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$' }
                    creationPolicy: { type: string, default: Owner, enum: [Owner, Orphan, Merge, None] }
                    deletionPolicy: { type: string, default: Retain, enum: [Delete, Merge, Retain] }
                    immutable: { type: boolean }
                data:
                  type: array
                  items:
                    type: object
                    required: [remoteRef, secretKey]
                    properties:
                      secretKey: { type: string, minLength: 1, maxLength: 253, pattern: '^[-._a-zA-Z0-9]+$' }
                      remoteRef:
                        type: object
                        required: [key]
                        properties:
                          key: { type: string }
                          version: { type: string }
                          property: { type: string }
                          metadataPolicy: { type: string, default: None, enum: [None, Fetch] }
                          conversionStrategy: { type: string, default: Default, enum: [Default, Unicode] }
                          decodingStrategy: { type: string, default: None, enum: [Auto, Base64, Base64URL, None] }
            status: ` + conditionsSchema

	secretStoreDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: secretstores.external-secrets.io }
spec:
  group: external-secrets.io
  names: { kind: SecretStore, listKind: SecretStoreList, plural: secretstores, singular: secretstore, shortNames: [ss] }
` + namespacedV1 + withStatus + objectSchema + `            spec:
              type: object
              required: [provider]
              properties:
                provider:
                  type: object
                  properties:
                    azurekv: { type: object, required: [vaultUrl], properties: { vaultUrl: { type: string }, tenantId: { type: string }, authType: { type: string, default: ServicePrincipal, enum: [ServicePrincipal, ManagedIdentity, WorkloadIdentity] } } }
            status: ` + conditionsSchema

	conditionsSchema = `
              type: object
              properties:
                conditions:
                  type: array
                  items:
                    type: object
                    required: [type, status]
                    properties: { type: { type: string }, status: { type: string }, reason: { type: string }, message: { type: string }, lastTransitionTime: { type: string, format: date-time } }
`

	providerClassDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: secretproviderclasses.secrets-store.csi.x-k8s.io }
spec:
  group: secrets-store.csi.x-k8s.io
  names: { kind: SecretProviderClass, listKind: SecretProviderClassList, plural: secretproviderclasses, singular: secretproviderclass }
` + namespacedV1 + objectSchema + `            spec:
              type: object
              properties:
                provider: { type: string }
                parameters: { type: object, additionalProperties: { type: string } }
                secretObjects:
                  type: array
                  items:
                    type: object
                    properties:
                      secretName: { type: string }
                      type: { type: string }
                      labels: { type: object, additionalProperties: { type: string } }
                      annotations: { type: object, additionalProperties: { type: string } }
                      data:
                        type: array
                        items: { type: object, properties: { objectName: { type: string }, key: { type: string } } }
`
)
