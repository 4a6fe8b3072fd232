package chart

import (
	"errors"
	"io"
	"sync"

	"helm.sh/helm/v4/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kubeClient is Helm's client of the cluster with two changes.
//
// It does not download the cluster's OpenAPI documents to validate objects: the API server validates what it is
// sent, strictly so under server-side apply, and the documents are megabytes. And it keeps the errors of deletions,
// which Helm's uninstall writes to its debug log only.
type kubeClient struct {
	*kube.Client

	mu      sync.Mutex
	deletes []error
}

// Build implements kube.Interface.
func (k *kubeClient) Build(r io.Reader, _ bool) (kube.ResourceList, error) {
	return k.Client.Build(r, false)
}

// Delete implements kube.Interface.
func (k *kubeClient) Delete(resources kube.ResourceList, policy metav1.DeletionPropagation) (*kube.Result, []error) {
	result, errs := k.Client.Delete(resources, policy)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deletes = append(k.deletes, errs...)
	return result, errs
}

// deleteErrors gives what went wrong with deletions; nil when nothing did.
func (k *kubeClient) deleteErrors() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return errors.Join(k.deletes...)
}
