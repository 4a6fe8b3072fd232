package target

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/slipway-cd/slipway/internal/traffic"
)

// alarm raises Kubernetes events.
type alarm struct {
	kube      kubernetes.Interface
	namespace string
}

// Raise implements [release.Alarm]. An event's message has a bound in the API server.
func (a alarm) Raise(ctx context.Context, service, message string) error {
	const longest = 1024
	message = strings.ToValidUTF8(message[:min(len(message), longest)], "")
	now := metav1.Now()
	object := corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: a.namespace, Name: service}
	if s, err := a.kube.CoreV1().Services(a.namespace).Get(ctx, service, metav1.GetOptions{}); err == nil {
		object.UID = s.UID
	}
	_, err := a.kube.CoreV1().Events(a.namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "slipway-" + service + "-", Namespace: a.namespace},
		InvolvedObject: object, Type: corev1.EventTypeWarning, Reason: "CouldNotRollBack", Message: message,
		Source: corev1.EventSource{Component: "slipway"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{FieldManager: traffic.FieldManager})
	return err
}
