package azure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// found is an identity that is set up.
type found struct {
	credential     azcore.TokenCredential
	detail, tenant string
}

// try makes the credential of a kind. A reason says why it is not set up here; an error, that it is, but wrongly.
func (o Options) try(kind Kind) (found, string, error) {
	var f found
	var reason string
	var err error
	switch kind {
	case WorkloadIdentity:
		f, reason, err = o.workloadIdentity()
	case AzurePipelines:
		f, reason, err = o.azurePipelines()
	case Environment:
		f, reason, err = o.environment()
	case AzureCLI:
		f, reason, err = o.azureCLI()
	case ManagedIdentity:
		f, reason, err = o.managedIdentity()
	default:
		err = errors.New("there is no such kind")
	}
	if err != nil {
		return found{}, "", &SetupError{kind, err.Error()}
	}
	return f, reason, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (o Options) tenant() string { return first(o.Tenant, o.Getenv("AZURE_TENANT_ID")) }
func (o Options) client() string { return first(o.ClientID, o.Getenv("AZURE_CLIENT_ID")) }

// missing names what an identity lacks that has begun to be set up.
func (o Options) missing(because string) error {
	var lacks []string
	if o.client() == "" {
		lacks = append(lacks, "AZURE_CLIENT_ID (azure.clientID)")
	}
	if o.tenant() == "" {
		lacks = append(lacks, "AZURE_TENANT_ID (azure.tenant)")
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("%s, but there is no %s", because, strings.Join(lacks, " and no "))
}

func (o Options) workloadIdentity() (found, string, error) {
	file := first(o.TokenFile, o.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
	if file == "" {
		return found{}, "AZURE_FEDERATED_TOKEN_FILE is not set", nil
	}
	if err := o.missing("there is a federated token file"); err != nil {
		return found{}, "", err
	}
	if _, err := os.Stat(file); err != nil {
		return found{}, "", fmt.Errorf("the federated token file cannot be read: %w", err)
	}
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: o.Client, ClientID: o.client(), TenantID: o.tenant(), TokenFilePath: file, DisableInstanceDiscovery: o.Cloud.Private,
	})
	return found{cred, fmt.Sprintf("client %s, token of %s", o.client(), file), o.tenant()}, "", err
}

func (o Options) azurePipelines() (found, string, error) {
	if o.Getenv("SYSTEM_OIDCREQUESTURI") == "" {
		return found{}, "SYSTEM_OIDCREQUESTURI is not set", nil
	}
	connection := o.Getenv("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")
	tenant := first(o.Tenant, o.Getenv("AZURESUBSCRIPTION_TENANT_ID"), o.Getenv("AZURE_TENANT_ID"))
	client := first(o.ClientID, o.Getenv("AZURESUBSCRIPTION_CLIENT_ID"), o.Getenv("AZURE_CLIENT_ID"))
	if connection == "" || tenant == "" || client == "" {
		return found{}, "this step has no service connection with workload identity federation (AZURESUBSCRIPTION_SERVICE_CONNECTION_ID, _CLIENT_ID, _TENANT_ID)", nil
	}
	token := o.Getenv("SYSTEM_ACCESSTOKEN")
	if token == "" {
		return found{}, "SYSTEM_ACCESSTOKEN is not mapped into this step (env: SYSTEM_ACCESSTOKEN: $(System.AccessToken))", nil
	}
	cred, err := azidentity.NewAzurePipelinesCredential(tenant, client, connection, token, &azidentity.AzurePipelinesCredentialOptions{
		ClientOptions: o.Client, DisableInstanceDiscovery: o.Cloud.Private,
	})
	return found{cred, fmt.Sprintf("client %s, service connection %s", client, connection), tenant}, "", err
}

func (o Options) environment() (found, string, error) {
	secret, file := o.Getenv("AZURE_CLIENT_SECRET"), o.Getenv("AZURE_CLIENT_CERTIFICATE_PATH")
	switch {
	case secret != "":
		if err := o.missing("AZURE_CLIENT_SECRET is set"); err != nil {
			return found{}, "", err
		}
		cred, err := azidentity.NewClientSecretCredential(o.tenant(), o.client(), secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: o.Client, DisableInstanceDiscovery: o.Cloud.Private,
		})
		return found{cred, "client " + o.client() + ", password of AZURE_CLIENT_SECRET", o.tenant()}, "", err
	case file != "":
		if err := o.missing("AZURE_CLIENT_CERTIFICATE_PATH is set"); err != nil {
			return found{}, "", err
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return found{}, "", fmt.Errorf("AZURE_CLIENT_CERTIFICATE_PATH: %w", err)
		}
		certs, key, err := azidentity.ParseCertificates(raw, []byte(o.Getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD")))
		if err != nil {
			return found{}, "", fmt.Errorf("reading the certificate %s: %w", file, err)
		}
		cred, err := azidentity.NewClientCertificateCredential(o.tenant(), o.client(), certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: o.Client, DisableInstanceDiscovery: o.Cloud.Private,
		})
		return found{cred, fmt.Sprintf("client %s, certificate %s", o.client(), file), o.tenant()}, "", err
	}
	return found{}, "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set", nil
}

func (o Options) azureCLI() (found, string, error) {
	if _, err := o.LookPath("az"); err != nil {
		return found{}, "the program az is not on the PATH", nil
	}
	profile := filepath.Join(first(o.Getenv("AZURE_CONFIG_DIR"), filepath.Join(first(o.Getenv("HOME"), o.Getenv("USERPROFILE")), ".azure")), "azureProfile.json")
	if !hasAccount(profile) {
		return found{}, "az has no account (" + profile + "); az login makes one", nil
	}
	cred, err := azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: o.Tenant})
	return found{cred, "the account of az", o.Tenant}, "", err
}

// hasAccount says whether somebody has logged in to the Azure CLI, which writes its profile with a byte order mark.
func hasAccount(profile string) bool {
	raw, err := os.ReadFile(profile)
	if err != nil {
		return false
	}
	var p struct {
		Subscriptions []json.RawMessage `json:"subscriptions"`
	}
	return json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &p) == nil && len(p.Subscriptions) > 0
}

// azureAssetTag is the chassis asset tag of every Azure virtual machine, by which cloud-init too knows one.
const azureAssetTag = "7783-7084-3265-9085-8269-3286-77"

func (o Options) managedIdentity() (found, string, error) {
	where := "of this virtual machine"
	if first(o.Getenv("IDENTITY_ENDPOINT"), o.Getenv("MSI_ENDPOINT")) != "" {
		where = "of this host (IDENTITY_ENDPOINT)"
	} else if tag, err := os.ReadFile(o.AssetTag); o.Use != ManagedIdentity && (err != nil || strings.TrimSpace(string(tag)) != azureAssetTag) {
		return found{}, "this is no Azure virtual machine, and IDENTITY_ENDPOINT is not set", nil
	}
	options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o.Client}
	if id := o.client(); id != "" {
		options.ID = azidentity.ClientID(id)
		where = "client " + id + ", " + where
	}
	cred, err := azidentity.NewManagedIdentityCredential(options)
	return found{cred, where, ""}, "", err
}
