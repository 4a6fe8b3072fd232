package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Check tells whether [Client.Apply] with these options would be let in, and changes nothing: it renders the chart
// against the cluster, looks at who owns the objects, and sends every object and the release's record as a dry run,
// so that RBAC, admission, quotas, unknown or immutable fields and a terminating namespace answer now.
//
// Its errors are those of Apply. Hooks are not sent, and neither are objects of a chart whose CRDs are not there yet.
// It needs no permission that Apply does not need, and makes no promise: all of it may have changed a moment later.
func (c *Client) Check(ctx context.Context, opts InstallOptions) error {
	const doing = "checking"
	cfg, err := c.configure(ctx)
	if err != nil {
		return err
	}
	last, err := c.last(cfg, opts.Release)
	if err != nil {
		return c.explain(ctx, doing, opts.Release, err)
	}
	revision := 1
	if last != nil {
		revision = last.Version + 1
		if status := Status(last.Info.Status); status.Pending() {
			return c.pending(last)
		} else if status == Uninstalling {
			return &ExistsError{Release: opts.Release, Namespace: c.namespace, Revision: last.Version, Status: status}
		}
	}
	chrt, err := opts.Chart.fresh()
	if err != nil {
		return err
	}
	if cfg.Capabilities == nil {
		if cfg.Capabilities, err = c.capabilities(); err != nil {
			return c.explain(ctx, doing, opts.Release, err)
		}
	}
	var (
		whole  = context.WithoutCancel(ctx)
		values = cloneValues(opts.Values)
		result any
	)
	if last == nil || Status(last.Info.Status) == Uninstalled {
		install := action.NewInstall(cfg)
		install.ReleaseName, install.Namespace, install.DryRunStrategy = opts.Release, c.namespace, action.DryRunServer
		install.DisableOpenAPIValidation, install.WaitStrategy = true, kube.HookOnlyStrategy
		result, err = install.RunWithContext(whole, chrt, values)
	} else {
		upgrade := action.NewUpgrade(cfg)
		upgrade.Namespace, upgrade.DryRunStrategy = c.namespace, action.DryRunServer
		upgrade.DisableOpenAPIValidation, upgrade.WaitStrategy, upgrade.ResetValues = true, kube.HookOnlyStrategy, true
		result, err = upgrade.RunWithContext(whole, opts.Release, chrt, values)
	}
	if err == nil {
		err = c.dryRun(ctx, cfg, result, fmt.Sprintf("%s%s.v%d", recordPrefix, opts.Release, revision))
	}
	if err == nil {
		return nil
	}
	err = c.explain(ctx, doing, opts.Release, err)
	var unknown *UnknownKindError
	if opts.Chart.crds && errors.As(err, &unknown) {
		return nil
	}
	return err
}

// dryRun sends a release's record and its objects for the API server to judge and not to store.
func (c *Client) dryRun(ctx context.Context, cfg *action.Configuration, result any, record string) error {
	release, ok := result.(*helmrelease.Release)
	client, live := cfg.KubeClient.(*kubeClient)
	if !ok || !live {
		return nil
	}
	config, err := (&getter{client: c, ctx: ctx}).ToRESTConfig()
	if err != nil {
		return err
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: record}, Type: "helm.sh/release.v1"}
	if _, err := core.CoreV1().Secrets(c.namespace).Create(ctx, secret, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		return err
	}
	resources, err := client.Build(bytes.NewBufferString(release.Manifest), false)
	if err != nil || len(resources) == 0 {
		return err
	}
	// Conflicts are forced: with whom a field is shared is for the real thing to find.
	_, err = client.Create(resources, kube.ClientCreateOptionServerSideApply(true, true), kube.ClientCreateOptionDryRun(true))
	return err
}
