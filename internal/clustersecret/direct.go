package clustersecret

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// Direct writes values into immutable Secrets.
type Direct struct{ Cluster }

// By is "": who writes a Secret is not part of its name.
func (Direct) By() string { return "" }

// Check finds nothing wrong: every cluster has Secrets.
func (Direct) Check(context.Context) error { return nil }

// Wait returns at once: what was applied is there.
func (Direct) Wait(context.Context, []string, time.Duration) error { return nil }

// Apply makes a Secret, or, dry, asks the API server whether it would let it in.
func (d Direct) Apply(ctx context.Context, s Secret, dry bool) error {
	data := map[string][]byte{}
	for key, v := range s.Keys {
		data[key] = []byte(v.Secret.Reveal()) // the one place where values leave the vault: into the cluster's Secret
	}
	options := metav1.ApplyOptions{FieldManager: traffic.FieldManager, Force: true}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	object := "secret/" + d.Namespace + "/" + s.Name
	_, err := d.Kube.CoreV1().Secrets(d.Namespace).Apply(ctx,
		applycorev1.Secret(s.Name, d.Namespace).WithLabels(s.labels()).WithImmutable(true).WithData(data), options)
	if apierrors.IsInvalid(err) { // the API server's own words would repeat what it was sent
		return fmt.Errorf("%s was not taken: the API server says that it is not valid; if it was changed by hand, delete it: kubectl -n %s delete secret %s", object, d.Namespace, s.Name)
	}
	return cluster.Explain(err, "applying "+object)
}
