// Package guardian puts the guardian of a release into the cluster: a Job that runs Slipway itself, watches the lock of the release,
// and finishes the release when the process that runs it has died.
//
// The Job owns its ServiceAccount, Role and RoleBinding, and is removed by the cluster as soon as it is done: nothing is left.
package guardian

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// Guardian is the Job of a service in an environment. A number tells the guardians of its releases apart.
type Guardian struct {
	Kube                 kubernetes.Interface
	Namespace            string
	Service, Environment string
	// Image of slipway, by digest; Arch is the processor that it is for, "" for any.
	Image, Arch string
	// Rules are what the guardian may do in the namespace, beside reading what its own Job needs.
	Rules []rbacv1.PolicyRule
	// ReadyFor bounds the wait until it watches; default [DefaultReadyFor].
	ReadyFor time.Duration
}

// DefaultReadyFor is for how long a guardian may take to be scheduled, pulled and started.
const DefaultReadyFor = time.Minute

// manager is the field manager of what is made here.
const manager = "slipway"

// ProbePort is where a guardian answers /readyz once it watches.
const ProbePort = 8081

// restarts is how often the cluster begins a guardian again that has died: often enough for any release.
const restarts = 1000

// Name of the objects of a release's guardian. Long names are cut, and told apart by a hash: a Job's name is a label of its pods.
func (g *Guardian) Name(number int) string {
	const longest = 63
	name, tail := "slipway-"+g.Service+"-"+g.Environment, "-guardian-"+strconv.Itoa(number)
	if over := len(name) + len(tail) - longest; over > 0 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // never fails
		sum := fmt.Sprintf("-%08x", h.Sum32())
		name = name[:len(name)-over-len(sum)] + sum
	}
	return name + tail
}

// Start makes the Job and what it runs as. Everything may be there already.
func (g *Guardian) Start(ctx context.Context, number int) error {
	name := g.Name(number)
	object := "job/" + g.Namespace + "/" + name
	meta := metav1.ObjectMeta{Name: name, Namespace: g.Namespace, Labels: map[string]string{
		"app.kubernetes.io/managed-by": "slipway", "app.kubernetes.io/component": "guardian",
		"slipway.dev/service": g.Service, "slipway.dev/environment": g.Environment,
	}}
	options := metav1.CreateOptions{FieldManager: manager}
	made := func(err error) error {
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("starting the guardian %s: %w", object, err)
		}
		return nil
	}
	_, err := g.Kube.CoreV1().ServiceAccounts(g.Namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, options)
	if err := made(err); err != nil {
		return err
	}
	_, err = g.Kube.RbacV1().Roles(g.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: g.Rules}, options)
	if err := made(err); err != nil {
		return err
	}
	_, err = g.Kube.RbacV1().RoleBindings(g.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta,
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: g.Namespace}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}}, options)
	if err := made(err); err != nil {
		return err
	}
	job, err := g.Kube.BatchV1().Jobs(g.Namespace).Create(ctx, g.job(meta, number), options)
	if apierrors.IsAlreadyExists(err) {
		job, err = g.Kube.BatchV1().Jobs(g.Namespace).Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return fmt.Errorf("starting the guardian %s: %w", object, err)
	}
	return g.own(ctx, job)
}

// own makes the Job the owner of what it runs as, so that the cluster removes all of it with the Job.
func (g *Guardian) own(ctx context.Context, job *batchv1.Job) error {
	owner := []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
	sa, err := g.Kube.CoreV1().ServiceAccounts(g.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
	if err == nil {
		sa.OwnerReferences = owner
		_, err = g.Kube.CoreV1().ServiceAccounts(g.Namespace).Update(ctx, sa, metav1.UpdateOptions{FieldManager: manager})
	}
	role, errRole := g.Kube.RbacV1().Roles(g.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
	if errRole == nil {
		role.OwnerReferences = owner
		_, errRole = g.Kube.RbacV1().Roles(g.Namespace).Update(ctx, role, metav1.UpdateOptions{FieldManager: manager})
	}
	binding, errBinding := g.Kube.RbacV1().RoleBindings(g.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
	if errBinding == nil {
		binding.OwnerReferences = owner
		_, errBinding = g.Kube.RbacV1().RoleBindings(g.Namespace).Update(ctx, binding, metav1.UpdateOptions{FieldManager: manager})
	}
	if err := errors.Join(err, errRole, errBinding); err != nil {
		return fmt.Errorf("making job/%s/%s the owner of what it runs as: %w", job.Namespace, job.Name, err)
	}
	return nil
}

// Ready waits until the guardian watches; where it does not come to that, the error says what its pod waits for.
func (g *Guardian) Ready(ctx context.Context, number int) error {
	limit := g.ReadyFor
	if limit == 0 {
		limit = DefaultReadyFor
	}
	name := g.Name(number)
	err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, limit, true, func(ctx context.Context) (bool, error) {
		job, err := g.Kube.BatchV1().Jobs(g.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, errors.New("somebody has deleted it")
		}
		if err != nil {
			return false, nil // an API server that does not answer is asked again
		}
		return job.Status.Ready != nil && *job.Status.Ready > 0, nil
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if wait.Interrupted(err) {
		err = errors.New(g.waits(short, name))
	}
	return fmt.Errorf("the guardian job/%s/%s, which would take the release back if this process died, does not watch: %w (guardian.onLoss: none releases without one)", g.Namespace, name, err)
}

// waits is what the guardian's pod waits for.
func (g *Guardian) waits(ctx context.Context, job string) string {
	pods, err := g.Kube.CoreV1().Pods(g.Namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil || len(pods.Items) == 0 {
		return "it has no pod; `kubectl -n " + g.Namespace + " describe job " + job + "` says why"
	}
	p := pods.Items[len(pods.Items)-1]
	for _, c := range p.Status.ContainerStatuses {
		for _, ended := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if ended != nil && strings.TrimSpace(ended.Message) != "" {
				return fmt.Sprintf("pod/%s/%s ended with exit code %d: %s", p.Namespace, p.Name, ended.ExitCode, strings.TrimSpace(ended.Message))
			}
		}
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" {
			return fmt.Sprintf("pod/%s/%s: %s: %s", p.Namespace, p.Name, w.Reason, w.Message)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return fmt.Sprintf("pod/%s/%s: %s", p.Namespace, p.Name, c.Message)
		}
	}
	return fmt.Sprintf("pod/%s/%s is %s", p.Namespace, p.Name, p.Status.Phase)
}

// Stop deletes the Job and what it runs as; nothing there is no error.
func (g *Guardian) Stop(ctx context.Context, number int) error {
	name, background := g.Name(number), metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	var failed []error
	for _, err := range []error{
		g.Kube.BatchV1().Jobs(g.Namespace).Delete(ctx, name, options),
		g.Kube.RbacV1().RoleBindings(g.Namespace).Delete(ctx, name, options),
		g.Kube.RbacV1().Roles(g.Namespace).Delete(ctx, name, options),
		g.Kube.CoreV1().ServiceAccounts(g.Namespace).Delete(ctx, name, options),
	} {
		if err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
