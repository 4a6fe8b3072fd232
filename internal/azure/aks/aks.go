// Package aks connects to AKS clusters: the kubeconfig of a user from Azure Resource Manager, and an Entra token with every
// request, as kubelogin gives it, but without that program. Its tests are where the stand-in is, in sandbox/internal/azure/arm.
package aks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-cd/slipway/internal/azure"
)

// ServerID is the application that stands for the API servers of AKS, the same in every tenant: for whom a token must be.
const ServerID = "6dae42f8-4368-4678-94ff-3960e28e3630"

// Cluster names an AKS cluster.
type Cluster struct {
	Subscription, Group, Name string
}

func (c Cluster) String() string { return c.Group + "/" + c.Name }

// Connect gets the kubeconfig of a cluster's user and makes a configuration of it that logs in with the credential. A token
// is renewed when it is about to end, for as long as the configuration is used. A cluster with local accounts has its own
// credentials in the kubeconfig; then these are used. The API server is not asked. Errors are *[Error] and those of the
// credential.
func Connect(ctx context.Context, cluster Cluster, cred azcore.TokenCredential, client azcore.ClientOptions) (*rest.Config, error) {
	clusters, err := armcontainerservice.NewManagedClustersClient(cluster.Subscription, cred, &arm.ClientOptions{ClientOptions: client, DisableRPRegistration: true})
	if err != nil {
		return nil, fmt.Errorf("making a client for AKS: %w", err)
	}
	answer, err := clusters.ListClusterUserCredentials(ctx, cluster.Group, cluster.Name, nil)
	if err != nil {
		return nil, explain(ctx, cluster, err)
	}
	for _, k := range answer.Kubeconfigs {
		if k != nil && len(k.Value) > 0 {
			return configure(cluster, k.Value, cred)
		}
	}
	return nil, &Error{Cluster: cluster, Message: "Azure gave no kubeconfig for it"}
}

// configure turns a kubeconfig into a configuration, with the Entra token in place of the program kubelogin.
func configure(cluster Cluster, kubeconfig []byte, cred azcore.TokenCredential) (*rest.Config, error) {
	raw, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, &Error{Cluster: cluster, Message: "the kubeconfig that Azure gave for it cannot be read", Err: err}
	}
	context := raw.Contexts[raw.CurrentContext]
	if context == nil {
		return nil, &Error{Cluster: cluster, Message: "the kubeconfig that Azure gave for it has no current context"}
	}
	server := ""
	if user := raw.AuthInfos[context.AuthInfo]; user != nil && user.Exec != nil {
		if server, err = serverID(user.Exec); err != nil {
			return nil, &Error{Cluster: cluster, Message: err.Error()}
		}
		user.Exec = nil
	}
	cfg, err := clientcmd.NewDefaultClientConfig(*raw, nil).ClientConfig()
	if err != nil {
		return nil, &Error{Cluster: cluster, Message: "the kubeconfig that Azure gave for it is not usable", Err: err}
	}
	if server != "" {
		cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &bearer{next: next, cred: cred, scope: azure.Scope(server)}
		})
	}
	return cfg, nil
}

// serverID is for whom kubelogin would get a token. Another program is not run: it was not the user who named it.
func serverID(exec *api.ExecConfig) (string, error) {
	if program := strings.TrimSuffix(filepath.Base(exec.Command), ".exe"); program != "kubelogin" {
		return "", fmt.Errorf("its kubeconfig wants the program %s to log in, but Slipway can do that for kubelogin only: log in yourself and name a kubeconfig (cluster.kubeconfig)", program)
	}
	for i, arg := range exec.Args {
		if value, ok := strings.CutPrefix(arg, "--server-id="); ok {
			return value, nil
		}
		if arg == "--server-id" && i+1 < len(exec.Args) {
			return exec.Args[i+1], nil
		}
	}
	return ServerID, nil
}

// Error says that Azure gave no way into a cluster.
type Error struct {
	Cluster Cluster
	// Status is the HTTP status, 0 when there was no answer.
	Status  int
	Message string
	Err     error
}

func (e *Error) Error() string { return fmt.Sprintf("AKS cluster %s: %s", e.Cluster, e.Message) }
func (e *Error) Unwrap() error { return e.Err }

func explain(ctx context.Context, cluster Cluster, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("asking Azure for the AKS cluster %s: %w", cluster, err)
	}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		var told interface{ NonRetriable() } // the credential's errors, which say what to do
		if errors.As(err, &told) {
			return fmt.Errorf("asking Azure for the AKS cluster %s: %w", cluster, err)
		}
		return &Error{Cluster: cluster, Err: err, Message: fmt.Sprintf("Azure Resource Manager cannot be reached: %s; check the network", strings.Join(strings.Fields(err.Error()), " "))}
	}
	e := &Error{Cluster: cluster, Status: answer.StatusCode, Err: err}
	switch code := answer.ErrorCode; code {
	case "SubscriptionNotFound":
		e.Message = fmt.Sprintf("there is no subscription %s in this tenant, or this identity has no role in it", cluster.Subscription)
	case "ResourceGroupNotFound":
		e.Message = fmt.Sprintf("there is no resource group %s in subscription %s", cluster.Group, cluster.Subscription)
	case "ResourceNotFound", "NotFound":
		e.Message = fmt.Sprintf("there is no such cluster in resource group %s of subscription %s", cluster.Group, cluster.Subscription)
	case "AuthorizationFailed":
		e.Message = `this identity may not get its kubeconfig: assign it the role "Azure Kubernetes Service Cluster User Role" on the cluster`
	case "InvalidAuthenticationToken", "InvalidAuthenticationTokenTenant", "ExpiredAuthenticationToken", "InvalidAuthenticationTokenAudience":
		e.Message = fmt.Sprintf("Azure does not take this identity's token (%s): check tenant and cloud (slipway doctor)", code)
	default:
		e.Message = fmt.Sprintf("Azure answered %d %s (%s)", answer.StatusCode, code, said(answer))
	}
	return e
}

// said is Azure's own sentence.
func said(answer *azcore.ResponseError) string {
	var wire struct {
		Error struct{ Message string }
	}
	if answer.RawResponse != nil {
		if body, err := runtime.Payload(answer.RawResponse); err == nil && json.Unmarshal(body, &wire) == nil && wire.Error.Message != "" {
			return wire.Error.Message
		}
	}
	return http.StatusText(answer.StatusCode)
}
