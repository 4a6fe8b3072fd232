package azure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Kind is a way of logging in.
type Kind string

// The kinds.
const (
	WorkloadIdentity Kind = "workload identity"
	AzurePipelines   Kind = "Azure Pipelines"
	Environment      Kind = "environment"
	AzureCLI         Kind = "Azure CLI"
	ManagedIdentity  Kind = "managed identity"
)

// Order is the order in which [Credential] looks for an identity: first what was given to this very process, without a
// password before with one; then what a person or a step has logged in; last what belongs to the machine.
func Order() []Kind {
	return []Kind{WorkloadIdentity, AzurePipelines, Environment, AzureCLI, ManagedIdentity}
}

// Options of [Credential].
type Options struct {
	Cloud Cloud
	// Client is how Entra is reached: [Cloud.ClientOptions].
	Client azcore.ClientOptions
	// Tenant is the id of the Entra tenant, ClientID that of the identity; default: AZURE_TENANT_ID and AZURE_CLIENT_ID.
	Tenant, ClientID string
	// TokenFile holds the federated token of a workload identity; default: AZURE_FEDERATED_TOKEN_FILE.
	TokenFile string
	// Use asks for one kind; default: the one that AZURE_TOKEN_CREDENTIALS names, or else the first that is set up.
	Use Kind
	// Getenv reads the environment; default: os.Getenv. The SDK reads SYSTEM_OIDCREQUESTURI and what belongs to managed
	// identities from the process itself.
	Getenv func(string) string
	// LookPath finds the program az; default: exec.LookPath.
	LookPath func(string) (string, error)
	// AssetTag is a file by which an Azure virtual machine is known; default: where Linux has it.
	AssetTag string
}

// Source says which identity was chosen, and why not another.
type Source struct {
	Kind Kind
	// Detail says what it is made of, for example the client id and the token's file. It holds no secret.
	Detail string
	// Tenant is the id of its tenant, where that is known before the first token.
	Tenant string
	// Passed are the kinds before it in the order.
	Passed []Passed
}

// Passed is a kind of identity that was not chosen.
type Passed struct {
	Kind   Kind
	Reason string
}

func (s Source) String() string {
	if s.Detail == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + " (" + s.Detail + ")"
}

// NoIdentityError says that nothing is set up that Azure would know this process by.
type NoIdentityError struct {
	// Passed are all kinds, in order.
	Passed []Passed
}

func (e *NoIdentityError) Error() string {
	var b strings.Builder
	b.WriteString("no identity for Azure is set up here; looked for, in this order:")
	for _, p := range e.Passed {
		fmt.Fprintf(&b, "\n  - %s: %s", p.Kind, p.Reason)
	}
	return b.String()
}

// Next says what a person may do.
func (e *NoIdentityError) Next() []string {
	return []string{"on a laptop: az login", "in a pipeline: run the step with a service connection that uses workload identity federation, with SYSTEM_ACCESSTOKEN mapped"}
}

// SetupError says that an identity is set up by half, or in a way that cannot work. Entra was not asked.
type SetupError struct {
	Kind    Kind
	Problem string
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("the %s identity is not set up right: %s", strings.TrimSuffix(string(e.Kind), " identity"), e.Problem)
}

// Credential chooses the identity that this process has, in the order of [Order], and says which it chose. Nothing is asked
// over the network, so a good answer does not mean that Entra will agree: [Describe] asks. Errors are *[NoIdentityError] and
// *[SetupError]; those of the credential are *[IdentityError].
func Credential(o Options) (azcore.TokenCredential, Source, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.LookPath == nil {
		o.LookPath = exec.LookPath
	}
	if o.AssetTag == "" {
		o.AssetTag = "/sys/class/dmi/id/chassis_asset_tag"
	}
	o.Client = Patient(o.Client, loginTimeout)
	order := Order()
	use, err := o.wanted()
	if err != nil {
		return nil, Source{}, err
	}
	if use != "" {
		order = []Kind{use}
	}
	var passed []Passed
	for _, kind := range order {
		found, reason, err := o.try(kind)
		if err != nil {
			return nil, Source{}, err
		}
		if reason != "" {
			passed = append(passed, Passed{kind, reason})
			continue
		}
		source := Source{Kind: kind, Detail: found.detail, Tenant: found.tenant, Passed: passed}
		return &credential{inner: found.credential, source: source}, source, nil
	}
	if use != "" {
		return nil, Source{}, &SetupError{use, passed[0].Reason}
	}
	return nil, Source{}, &NoIdentityError{passed}
}

// wanted is the one kind that was asked for.
func (o Options) wanted() (Kind, error) {
	if o.Use != "" {
		return o.Use, nil
	}
	const name = "AZURE_TOKEN_CREDENTIALS" // azidentity's own switch, with its words
	switch value := strings.ToLower(o.Getenv(name)); value {
	case "":
		return "", nil
	case "workloadidentitycredential":
		return WorkloadIdentity, nil
	case "environmentcredential":
		return Environment, nil
	case "azureclicredential":
		return AzureCLI, nil
	case "managedidentitycredential":
		return ManagedIdentity, nil
	default:
		return "", &SetupError{Environment, fmt.Sprintf("%s is %q, but Slipway knows only WorkloadIdentityCredential, EnvironmentCredential, AzureCLICredential and ManagedIdentityCredential", name, o.Getenv(name))}
	}
}

// credential puts the errors of an identity into words.
type credential struct {
	inner  azcore.TokenCredential
	source Source
}

// GetToken implements azcore.TokenCredential.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if o.TenantID != "" && c.source.Tenant != "" && !strings.EqualFold(o.TenantID, c.source.Tenant) {
		return azcore.AccessToken{}, &IdentityError{Source: c.source, Code: "wrong tenant",
			Message: fmt.Sprintf("the service belongs to the tenant %s, but this identity to %s", o.TenantID, c.source.Tenant),
			Advice:  "correct the tenant (azure.tenant, AZURE_TENANT_ID), or the name of the vault"}
	}
	if c.source.Kind == AzureCLI && o.Claims == renewal {
		o.Claims = "" // az would want a person to log in again for any claims
	}
	token, err := c.inner.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, explain(err, c.source)
	}
	return token, nil
}
