// Package journal keeps the record of releases in the cluster: one ConfigMap per service and environment, readable with
// kubectl, written with optimistic locking.
package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/slipway-cd/slipway/internal/release"
)

// Store keeps the record of one service in one environment.
type Store struct {
	client               corev1client.ConfigMapInterface
	namespace            string
	service, environment string
	redact               func(string) string
}

var _ release.Store = (*Store)(nil)

// New makes a store; it does not contact the cluster. The record goes through redact first, because a reason may quote
// what a container or a server said; nil keeps it as it is.
func New(client kubernetes.Interface, namespace, service, environment string, redact func(string) string) *Store {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	return &Store{client: client.CoreV1().ConfigMaps(namespace), namespace: namespace, service: service, environment: environment, redact: redact}
}

// Name of the ConfigMap and of the Lease of a service in an environment.
func Name(service, environment string) string { return "slipway-" + service + "-" + environment }

const (
	recordKey  = "record.json"
	requestKey = "request.json"
)

func (s *Store) name() string    { return Name(s.service, s.environment) }
func (s *Store) request() string { return s.name() + "-request" }
func (s *Store) object() string  { return "configmap/" + s.namespace + "/" + s.name() }

func (s *Store) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by": "slipway",
		"slipway.dev/service":          s.service,
		"slipway.dev/environment":      s.environment,
	}
}

// Load reads the record; an empty one if there is none yet.
func (s *Store) Load(ctx context.Context) (*release.Record, error) {
	cm, err := s.client.Get(ctx, s.name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &release.Record{Schema: release.Schema, Service: s.service, Environment: s.environment}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal %s: %w", s.object(), err)
	}
	var rec release.Record
	if err := json.Unmarshal([]byte(cm.Data[recordKey]), &rec); err != nil {
		return nil, fmt.Errorf("reading the journal %s: %w: it was not written by Slipway, or was edited; repair or delete it", s.object(), err)
	}
	if rec.Schema > release.Schema {
		return nil, fmt.Errorf("reading the journal %s: it was written by a newer slipway (schema %d, this one knows %d): use that version", s.object(), rec.Schema, release.Schema)
	}
	if rec.Service != s.service || rec.Environment != s.environment {
		return nil, fmt.Errorf("reading the journal %s: it is of %s in %s, but %s in %s was asked for: their names run together, so rename one of them",
			s.object(), rec.Service, rec.Environment, s.service, s.environment)
	}
	rec.Version = cm.ResourceVersion
	return &rec, nil
}

// Save writes the record if nobody has since it was loaded; otherwise *release.StaleError.
func (s *Store) Save(ctx context.Context, rec *release.Record) error {
	raw, err := json.MarshalIndent(rec, "", " ")
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: s.name(), Namespace: s.namespace, Labels: s.labels(), ResourceVersion: rec.Version},
		Data:       map[string]string{recordKey: s.redact(string(raw))},
	}
	var saved *corev1.ConfigMap
	if rec.Version == "" {
		saved, err = s.client.Create(ctx, cm, metav1.CreateOptions{FieldManager: "slipway"})
	} else {
		saved, err = s.client.Update(ctx, cm, metav1.UpdateOptions{FieldManager: "slipway"})
	}
	switch {
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
		return &release.StaleError{Object: s.object()}
	case err != nil:
		return fmt.Errorf("writing the journal %s: %w", s.object(), err)
	}
	rec.Version = saved.ResourceVersion
	return nil
}

// Ask leaves a request. It replaces an earlier one.
func (s *Store) Ask(ctx context.Context, q release.Request) error {
	raw, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: s.request(), Namespace: s.namespace, Labels: s.labels()},
		Data:       map[string]string{requestKey: string(raw)},
	}
	_, err = s.client.Create(ctx, cm, metav1.CreateOptions{FieldManager: "slipway"})
	if apierrors.IsAlreadyExists(err) {
		_, err = s.client.Update(ctx, cm, metav1.UpdateOptions{FieldManager: "slipway"})
	}
	if err != nil {
		return fmt.Errorf("asking the running release to go back: %w", err)
	}
	return nil
}

// ClearRequests removes the request, if any.
func (s *Store) ClearRequests(ctx context.Context) error {
	err := s.client.Delete(ctx, s.request(), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("clearing requests: %w", err)
	}
	return nil
}

// Requests watches for requests until ctx ends; a broken watch is begun again after a second.
func (s *Store) Requests(ctx context.Context) <-chan release.Request {
	out := make(chan release.Request, 1)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			s.watch(ctx, out)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	return out
}

func (s *Store) watch(ctx context.Context, out chan<- release.Request) {
	w, err := s.client.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", s.request()).String()})
	if err != nil {
		return // the caller tries again
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-w.ResultChan():
			if !ok {
				return
			}
			cm, isMap := ev.Object.(*corev1.ConfigMap)
			if !isMap || (ev.Type != "ADDED" && ev.Type != "MODIFIED") {
				continue
			}
			var q release.Request
			if json.Unmarshal([]byte(cm.Data[requestKey]), &q) == nil && q.Kind != "" {
				select {
				case out <- q:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}
